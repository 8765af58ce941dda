import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openModel } from 'neural-diff/node';
import {
  type ArrayData,
  type FineTuned,
  fineTune,
  type Task,
  trainHashDiff,
  trainSparseDiff,
} from 'neural-diff/train';
import { Console } from './console.js';
import { DEMO_OPTIONS, USAGE } from './demo-options.js';
import { patchCopy } from './patch-copy.js';
import { type DiffComparison, type DiffRow, formatComparison } from './result.js';
import { SourceError } from './source-error.js';
import { alignColumns, percent } from './table.js';
import type { TrainingPlan } from './train-base.js';

const TRAINERS = { hash: trainHashDiff, sparse: trainSparseDiff } as const;

/** An update of a published model, ready to be learned. */
export interface PublishedUpdate {
  /** What the update adds, what it is tested on, in words. */
  readonly facts: string;
  readonly task: Task;
  /** Names of the weights that are trained, by default all of the task. */
  readonly only?: readonly string[];
  /** Names of weights that stay as they are, by default none. */
  readonly freeze?: readonly string[];
  readonly train: ArrayData;
  /** Measured by the task where the full fine-tune cannot be a folder. */
  readonly test?: ArrayData;
  readonly fineTuning: TrainingPlan;
  readonly diffTraining: Omit<TrainingPlan, 'learningRate'>;
  /** @returns the accuracy on the test of the model in a folder, in the runtime that devices run it in */
  readonly measure: (folder: string) => Promise<number>;
  /** Whether the folder's weights are float32, so that the full fine-tune is a folder, too. */
  readonly isFloat: boolean;
}

/** How a demo was called. */
export interface PublishedRun {
  readonly seed: number;
  /** Folder of the data, unless they come with the example. */
  readonly data: string | undefined;
  /** The base model, as devices have it, is to be put here. */
  readonly base: string;
  readonly screen: Console;
}

/** What a demo is about. */
export interface PublishedDemo {
  /** Its name among the demos. */
  readonly name: string;
  /** What it does, in words: printed with `--help`. */
  readonly about: string;
  /** Where it takes data of one's own: what `--data` names. */
  readonly data?: string;
  /** Kind of the diffs, unless `--kind` names another. */
  readonly kind: DiffRow['kind'];
  /** Sizes of the diffs, as shares of the float32 model in percent. */
  readonly shares: readonly number[];
  /** @returns undefined where the published model is not to be had */
  readonly prepare: (run: PublishedRun) => Promise<PublishedUpdate | undefined>;
}

/** What a demo prints with `--json`. */
export interface PublishedResult extends DiffComparison {
  readonly facts: string;
}

/**
 * A whole program: learns an update of a published model as a full fine-tune and as diffs of several sizes,
 * applies the payloads to copies of the base, runs the patched files in their own runtime, and prints what
 * came of it. Reads the flags of the command line.
 */
export async function runPublishedDemo(demo: PublishedDemo): Promise<void> {
  const { values: flags } = parseArgs({
    options: {
      ...DEMO_OPTIONS,
      kind: { type: 'string', default: demo.kind },
      shares: { type: 'string', default: demo.shares.join() },
    },
  });
  if (flags.help) {
    process.stdout.write(helpOf(demo));
    return;
  }
  const folder = flags.keep ?? (await mkdtemp(join(tmpdir(), 'neural-diff-published-')));
  const screen = new Console(flags.quiet);
  try {
    const run = { seed: Number(flags.seed), data: flags.data, base: join(folder, 'base'), screen };
    const update = await demo.prepare(run);
    if (update === undefined) {
      process.exitCode = USAGE;
      return;
    }
    const plan = { kind: kindOf(flags.kind), shares: flags.shares.split(',').map(Number), folder };
    const result = await compare(update, plan, run);
    process.stdout.write(
      flags.json ? `${JSON.stringify(result, null, 2)}\n` : formatComparison(result, result.facts),
    );
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    process.stderr.write(`\n${error.message}\n`);
    process.exitCode = USAGE;
  } finally {
    if (flags.keep === undefined) await rm(folder, { recursive: true, force: true });
  }
}

function helpOf({ name, about, data, kind }: PublishedDemo): string {
  const other = kind === 'hash' ? 'sparse' : 'hash';
  const commands = [
    [`npm run demo -- ${name}`, 'a table on stdout'],
    ...(data === undefined ? [] : [[`npm run demo -- ${name} --data DIR`, data]]),
    [`npm run demo -- ${name} --shares 0.1,0.5`, 'other sizes, in percent of the float32 model'],
    [`npm run demo -- ${name} --kind ${other}`, `${other} diffs`],
    [`npm run -s demo -- ${name} --json`, 'one JSON document on stdout'],
    [`npm run demo -- ${name} --keep DIR --seed 2`, 'keep models and payloads; another seed'],
  ];
  return `${about}\n\n${alignColumns(commands.map(([command, effect]) => [`  ${command}`, effect as string]))}\n`;
}

function kindOf(name: string): DiffRow['kind'] {
  if (name === 'hash' || name === 'sparse') return name;
  throw new SourceError('bad-kind', `Cannot train "${name}": expected --kind hash or --kind sparse`);
}

async function compare(
  update: PublishedUpdate,
  { kind, shares, folder }: { kind: DiffRow['kind']; shares: readonly number[]; folder: string },
  { seed, base, screen }: PublishedRun,
): Promise<PublishedResult> {
  const { task, only, freeze, train, test: validation, measure, fineTuning, diffTraining } = update;
  const onStep = ({ done, total, loss }: { done: number; total: number; loss: number }): void =>
    screen.show(`step ${done} of ${total}, loss ${loss.toFixed(3)}`);
  const shared = { task, only, freeze, train, validation, seed, onStep };
  screen.start('measuring the base');
  const baseAccuracy = await measure(base);
  screen.end(percent(baseAccuracy));
  screen.start('full fine-tune, the reference');
  const tuned = await fineTune({ ...shared, ...fineTuning });
  const fullAccuracy = update.isFloat
    ? await measure(await writeCopy(base, join(folder, 'full'), tuned.weights))
    : (tuned.metrics.accuracy as number);
  screen.end(percent(fullAccuracy));
  const full: FineTuned = { ...tuned, metrics: { accuracy: fullAccuracy } };
  const diffs: DiffRow[] = [];
  for (const share of shares) {
    screen.start(`${kind} diff of ${share} %`);
    const options = { ...shared, ...diffTraining, budget: `${share}%` as const, fullFineTune: full };
    const trained = await TRAINERS[kind](options);
    await writeFile(join(folder, `${kind}-${share}.ndiff`), trained.payload);
    const row = await patchCopy({ kind, folder, trained, full, measure });
    screen.end(`${row.payloadBytes} bytes, ${percent(row.accuracy)}`);
    diffs.push(row);
  }
  const bytes = await float32BytesOf(base);
  return {
    facts: update.facts,
    base: { parameters: bytes / 4, bytes, accuracy: baseAccuracy },
    full: { accuracy: fullAccuracy },
    diffs,
  };
}

/** @returns the bytes of all weights of a model as float32: what payloads are compared with */
async function float32BytesOf(folder: string): Promise<number> {
  const store = await openModel(folder);
  const sizes = store.tensors.map(({ shape }) => shape.reduce((product, size) => product * size, 1));
  await store.close();
  return 4 * sizes.reduce((sum, size) => sum + size, 0);
}

/**
 * Copies a model and replaces some of its weights.
 *
 * @param weights float32, by the names that the file has for them
 * @returns the copy's folder
 */
export async function writeCopy(
  base: string,
  copy: string,
  weights: ReadonlyMap<string, Float32Array>,
): Promise<string> {
  await cp(base, copy, { recursive: true });
  const store = await openModel(copy, { writable: true });
  try {
    for (const [name, { buffer, byteOffset, byteLength }] of weights)
      await store.write(name, 0, new Uint8Array(buffer, byteOffset, byteLength));
    await store.flush();
  } finally {
    await store.close();
  }
  return copy;
}
