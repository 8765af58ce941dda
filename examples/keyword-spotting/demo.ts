// From a base model to two patched devices: `npm run demo`, or `npm run -s demo -- --json`.

import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type * as tf from '@tensorflow/tfjs';
import { type FineTuned, fineTune, type StepReport } from 'neural-diff/train';
import { Console } from '../common/console.js';
import { float32Bytes, openTask, toArrays } from '../common/task.js';
import { type KeywordData, loadKeywordData } from './data.js';
import { type DemoResult, type DeviceRow, formatResult, formatUpdates } from './result.js';
import { synthesizeCached } from './speech-cache.js';
import { runDevice, runDiffJob, trainKeywordBase } from './stages.js';
import { runUpdates, type UpdateRow } from './updates.js';

/** Bytes that each kind of diff may take, as a share of the float32 model. */
const BUDGETS = { hash: '0.5%', sparse: '0.5%' } as const;

/** Steps of training, whatever the size of the data. */
const STEPS = { base: 450, full: 700, diff: 1600 } as const;

const BATCH_SIZE = 64;

/** Of the full fine-tune: it does better than half of it, and so do diffs that it teaches. */
const FULL_RATE = 4e-3;

/** Speakers of the recordings: the base model knows the first, the update adds the others. */
const SPEAKERS = [['jackson'], ['theo', 'yweweler']];

/** With `--updates`, five consecutive updates add one speaker each. */
const CONSECUTIVE_SPEAKERS = [['jackson'], ['theo'], ['yweweler'], ['lucas'], ['nicolas'], ['george']];

const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quiet: { type: 'boolean', short: 'q', default: false },
    data: { type: 'string' },
    updates: { type: 'boolean', default: false },
    keep: { type: 'string' },
    seed: { type: 'string', default: '1' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const HELP = `Trains a keyword spotter, learns an update as both kinds of diff, and patches two devices with them.

  npm run demo                           on synthetic speech, kept in .cache/speech after the first run
  npm run demo -- --data DIR             on a folder of {label}_{speaker}_{take}.wav
  npm run demo -- --data DIR --updates   five consecutive updates, one speaker each
  npm run -s demo -- --json              one JSON document on stdout
  npm run demo -- --keep DIR --seed 2    keep models and payloads; another seed
`;

const epochsFor = (steps: number, examples: number): number =>
  Math.ceil(steps / Math.ceil(examples / BATCH_SIZE));

/** What the demo and the consecutive updates begin with. */
interface Setup {
  readonly data: KeywordData;
  readonly folder: string;
  /** Folder of the base model. */
  readonly base: string;
  readonly screen: Console;
  readonly seed: number;
  readonly stop: AbortSignal;
}

async function setUp(folder: string, stop: AbortSignal): Promise<Setup> {
  const screen = new Console(flags.quiet);
  const seed = Number(flags.seed);
  screen.start(flags.data ? 'reading recordings' : 'synthesising speech');
  const data = await loadKeywordData({
    seed,
    signal: stop,
    onProgress: (done, total) => screen.show(`${done} of ${total} clips`),
    synthesize: synthesizeCached,
    ...(flags.data && {
      recordings: { folder: flags.data, speakers: flags.updates ? CONSECUTIVE_SPEAKERS : SPEAKERS },
    }),
  });
  const base = join(folder, 'base');
  const epochs = epochsFor(STEPS.base, data.base.train.count);
  screen.start('training the base model');
  await trainKeywordBase(data.base, base, {
    classes: data.labels.length,
    epochs,
    learningRate: 3e-3,
    batchSize: BATCH_SIZE,
    seed,
    signal: stop,
    onEpoch: (epoch) => screen.show(`epoch ${epoch + 1} of ${epochs}`),
  });
  return { data, folder, base, screen, seed, stop };
}

async function run({ data, folder, base, screen, seed, stop }: Setup): Promise<DemoResult> {
  const { model, task } = await openTask(base);
  const test = toArrays(data.update.test, data.labels.length);
  const baseAccuracy = (await task.evaluate(test)).accuracy as number;
  screen.start('full fine-tune, the reference');
  const full = await fineTune({
    task,
    train: toArrays(data.update.train, data.labels.length),
    validation: test,
    epochs: epochsFor(STEPS.full, data.update.train.count),
    learningRate: FULL_RATE,
    batchSize: BATCH_SIZE,
    seed,
    signal: stop,
    onStep: (report) => screen.show(describeStep(report)),
  });
  screen.start('training both diffs, each in a thread');
  const trained = await trainDiffs({ data, full, base, folder, screen, seed });
  const bytes = float32Bytes(task);
  screen.start('patching devices');
  const diffs: DeviceRow[] = [];
  for (const diff of trained) diffs.push(await patchDevice({ ...diff, base, folder, test, bytes, full }));
  screen.end();
  return {
    source: flags.data ? 'recordings' : 'synthetic speech',
    clips: { train: data.update.train.count, test: data.update.test.count },
    base: { parameters: model.countParams(), bytes, accuracy: baseAccuracy },
    full: { accuracy: full.metrics.accuracy as number },
    diffs,
  };
}

function describeStep({ done: step, total: steps, loss }: StepReport): string {
  return `step ${step} of ${steps}, loss ${loss.toFixed(3)}`;
}

/** A diff as the trainer hands it over. */
interface Trained {
  readonly kind: 'sparse' | 'hash';
  readonly payload: string;
  readonly payloadBytes: number;
  /** Fingerprint of the model that the trainer measured. */
  readonly next: string;
}

async function trainDiffs(setup: {
  data: KeywordData;
  full: FineTuned;
  base: string;
  folder: string;
  screen: Console;
  seed: number;
}): Promise<Trained[]> {
  const { data, full, base, folder, screen, seed } = setup;
  const state = { hash: '', sparse: '' };
  const epochs = epochsFor(STEPS.diff, data.update.train.count);
  const shared = { base, data: data.update, classes: data.labels.length, fullFineTune: full, epochs, seed };
  const kinds = ['hash', 'sparse'] as const;
  return Promise.all(
    kinds.map(async (kind) => {
      const job = { ...shared, kind, batchSize: BATCH_SIZE, budget: BUDGETS[kind] };
      const { payload, next } = await runDiffJob(job, (report) => {
        state[kind] = `${kind}: ${describeStep(report)}`;
        screen.show(`${state.hash}   ${state.sparse}`);
      });
      const path = join(folder, `${kind}.ndiff`);
      await writeFile(path, payload);
      return { kind, payload: path, payloadBytes: payload.length, next };
    }),
  );
}

/**
 * Gives the payload to a device process with its own copy of the base, then measures what the device has on
 * disk.
 */
async function patchDevice(
  diff: Trained & {
    base: string;
    folder: string;
    test: ReturnType<typeof toArrays>;
    bytes: number;
    full: FineTuned;
  },
): Promise<DeviceRow> {
  const { kind, payload, payloadBytes, next, bytes, full } = diff;
  const device = join(diff.folder, `device-${kind}`);
  await cp(diff.base, device, { recursive: true });
  const report = await runDevice(device, payload);
  const { model, task } = await openTask(device);
  const accuracy = (await task.evaluate(diff.test)).accuracy as number;
  (model as tf.LayersModel).dispose();
  return {
    kind,
    payloadBytes,
    share: payloadBytes / bytes,
    accuracy,
    gap: (full.metrics.accuracy as number) - accuracy,
    bitExact: report.fingerprint === next,
    applyMilliseconds: report.milliseconds,
    deviceModules: report.modules,
  };
}

async function updateConsecutively({ data, folder, screen, seed }: Setup): Promise<UpdateRow[]> {
  const rows = await runUpdates(data, {
    folder,
    seed,
    speakers: CONSECUTIVE_SPEAKERS,
    budget: BUDGETS.hash,
    batchSize: BATCH_SIZE,
    epochsFor: (phase, examples) => epochsFor(STEPS[phase], examples),
    onUpdate: (update) => screen.start(`update ${update}`),
    onStep: (report) => screen.show(describeStep(report)),
  });
  screen.end();
  return rows;
}

if (flags.help) {
  process.stdout.write(HELP);
} else if (flags.updates && flags.data === undefined) {
  process.stderr.write('--updates needs --data with a folder of recordings\n');
  process.exitCode = 2;
} else {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  const folder = flags.keep ?? (await mkdtemp(join(tmpdir(), 'neural-diff-demo-')));
  await mkdir(folder, { recursive: true });
  try {
    const setup = await setUp(folder, stop.signal);
    const result = flags.updates ? await updateConsecutively(setup) : await run(setup);
    const text = Array.isArray(result) ? formatUpdates(result) : formatResult(result);
    process.stdout.write(flags.json ? `${JSON.stringify(result, null, 2)}\n` : text);
  } finally {
    if (flags.keep === undefined) await rm(folder, { recursive: true, force: true });
  }
}
