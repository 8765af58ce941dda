// From a model in an npm package to patched copies of it: `npm run demo -- any-model`, or with `--json`.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { useBackend } from 'neural-diff/tfjs';
import { fineTune, trainHashDiff, trainSparseDiff } from 'neural-diff/train';
import { patchCopy } from '../common/patch-copy.js';
import { type DiffRow, formatComparison } from '../common/result.js';
import { float32Bytes } from '../common/task.js';
import { unpackBase } from './base.js';
import type { PictureSet } from './pictures.js';
import type { DemoResult } from './result.js';
import { loadFolder, measureAccuracy, splitModel, toFeatures } from './task.js';

/** Bytes that a payload may take, as a share of the float32 model. */
const BUDGET = '0.2%';

const EPOCHS = { full: 6, diff: 8 } as const;

const BATCH_SIZE = 16;

/** Pictures of the update; those of the test are never learned from. */
const PICTURES = { train: 240, test: 200 } as const;

const TRAINERS = { hash: trainHashDiff, sparse: trainSparseDiff } as const;

const { values: flags } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quiet: { type: 'boolean', short: 'q', default: false },
    keep: { type: 'string' },
    seed: { type: 'string', default: '1' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const HELP = `Takes the image classifier of the npm package nsfwjs, learns an update of it as both kinds of diff, and patches
two copies of the model.

  npm run demo -- any-model                       a table on stdout
  npm run -s demo -- any-model --json             one JSON document on stdout
  npm run demo -- any-model --keep DIR --seed 2   keep models and payloads; other pictures
`;

/** Runs a stage and says on stderr how long it took. */
async function stage<T>(name: string, run: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const result = await run();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (!flags.quiet) process.stderr.write(`${name}: ${seconds} s\n`);
  return result;
}

async function run(folder: string, seed: number): Promise<DemoResult> {
  const train: PictureSet = { seed, first: 0, count: PICTURES.train };
  const test: PictureSet = { seed, first: PICTURES.train, count: PICTURES.test };
  const base = join(folder, 'base');
  await useBackend('wasm');
  await stage('unpacking the base model', () => saveBase(base));
  const model = await loadFolder(base);
  const split = splitModel(model);
  const { task } = split;
  const data = await stage('drawing pictures, running the frozen layers', async () => ({
    train: await toFeatures(split, train),
    validation: await toFeatures(split, test),
  }));
  const shared = { ...data, task, batchSize: BATCH_SIZE, seed };
  const baseAccuracy = (await task.evaluate(data.validation)).accuracy as number;
  const full = await stage('full fine-tune, the reference', () =>
    fineTune({ ...shared, epochs: EPOCHS.full }),
  );
  const diffs: DiffRow[] = [];
  for (const kind of ['hash', 'sparse'] as const) {
    const options = { ...shared, budget: BUDGET, epochs: EPOCHS.diff, fullFineTune: full };
    const trained = await stage(`training the ${kind} diff`, () => TRAINERS[kind](options));
    await writeFile(join(folder, `${kind}.ndiff`), trained.payload);
    diffs.push(
      await stage('patching a copy and measuring it', () =>
        patchCopy({ kind, folder, trained, full, measure: (device) => measureFolder(device, test) }),
      ),
    );
  }
  const bytes = float32Bytes(task);
  return {
    pictures: PICTURES,
    base: { parameters: model.countParams(), bytes, accuracy: baseAccuracy },
    full: { accuracy: full.metrics.accuracy as number },
    diffs,
  };
}

async function measureFolder(folder: string, test: PictureSet): Promise<number> {
  const model = await loadFolder(folder);
  const accuracy = await measureAccuracy(model, test);
  model.dispose();
  return accuracy;
}

async function saveBase(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [path, bytes] of await unpackBase()) await writeFile(join(folder, path), bytes);
}

if (flags.help) {
  process.stdout.write(HELP);
} else {
  const folder = flags.keep ?? (await mkdtemp(join(tmpdir(), 'neural-diff-any-model-')));
  try {
    const result = await run(folder, Number(flags.seed));
    process.stdout.write(
      flags.json
        ? `${JSON.stringify(result, null, 2)}\n`
        : formatComparison(result, `${PICTURES.train} pictures to learn from, ${PICTURES.test} to test on`),
    );
  } finally {
    if (flags.keep === undefined) await rm(folder, { recursive: true, force: true });
  }
}
