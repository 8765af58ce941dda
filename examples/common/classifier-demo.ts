import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { useBackend } from 'neural-diff/tfjs';
import { fineTune, type StepReport, trainHashDiff, trainSparseDiff } from 'neural-diff/train';
import { Console } from './console.js';
import { DEMO_OPTIONS, USAGE } from './demo-options.js';
import { patchCopy } from './patch-copy.js';
import { type DiffComparison, type DiffRow, formatComparison } from './result.js';
import { SourceError } from './source-error.js';
import type { Split } from './staged-examples.js';
import { float32Bytes, openTask, toArrays } from './task.js';
import { saveModel, type TrainingPlan, trainBase } from './train-base.js';

/** Bytes that each kind of diff may take, as a share of the float32 model. */
const BUDGETS = { hash: '0.5%', sparse: '0.9%' } as const;

const TRAINERS = { hash: trainHashDiff, sparse: trainSparseDiff } as const;

/** Exit status of a program that Ctrl-C ended. */
const INTERRUPTED = 130;

/** What a demo is about. */
export interface ClassifierDemo {
  /** Printed with `--help`. */
  readonly help: string;
  /** What the examples are called. */
  readonly unit: string;
  /** @returns the base stage and the updates, of which the first is learned */
  readonly load: (options: {
    seed: number;
    folder: string | undefined;
    signal: AbortSignal;
  }) => Promise<{ labels: readonly string[]; stages: readonly Split[]; adds: readonly string[] }>;
  readonly createModel: (classes: number, seed: number) => tf.LayersModel;
  readonly baseTraining: TrainingPlan;
  readonly fineTuning: TrainingPlan;
  readonly diffEpochs: number;
}

/** What a demo prints with `--json`. */
export interface ClassifierResult extends DiffComparison {
  /** What the update adds. */
  readonly adds: string;
  /** Examples of the update. */
  readonly examples: { readonly train: number; readonly test: number };
}

/** How a demo was called. */
interface Run {
  readonly seed: number;
  /** Folder of the data, unless it comes with the example. */
  readonly data: string | undefined;
  /** Folder for models and payloads. */
  readonly folder: string;
  readonly screen: Console;
  readonly signal: AbortSignal;
}

/**
 * A whole program: trains a base model, a full fine-tune of the first update and both kinds of diff, applies
 * the payloads to copies of the base, and prints what came of it. Reads the flags of the command line; Ctrl-C
 * ends it and leaves nothing behind.
 */
export async function runClassifierDemo(demo: ClassifierDemo): Promise<void> {
  const { values: flags } = parseArgs({ options: DEMO_OPTIONS });
  if (flags.help) {
    process.stdout.write(demo.help);
    return;
  }
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  const folder = flags.keep ?? (await mkdtemp(join(tmpdir(), 'neural-diff-demo-')));
  const screen = new Console(flags.quiet);
  try {
    const run = { seed: Number(flags.seed), data: flags.data, folder, screen, signal: stop.signal };
    const result = await compare(demo, run);
    const { train, test } = result.examples;
    const facts = `${train} ${demo.unit} to learn from, ${test} to test on; the update adds ${result.adds}`;
    process.stdout.write(
      flags.json ? `${JSON.stringify(result, null, 2)}\n` : formatComparison(result, facts),
    );
  } catch (error) {
    if (!stop.signal.aborted && !(error instanceof SourceError)) throw error;
    process.stderr.write(`\n${stop.signal.aborted ? 'Interrupted' : (error as Error).message}\n`);
    process.exitCode = stop.signal.aborted ? INTERRUPTED : USAGE;
  } finally {
    if (flags.keep === undefined) await rm(folder, { recursive: true, force: true });
  }
}

async function compare(demo: ClassifierDemo, run: Run): Promise<ClassifierResult> {
  const { seed, folder, screen, signal } = run;
  screen.start('loading data');
  const { labels, stages, adds } = await demo.load({ seed, folder: run.data, signal });
  const [base, update] = stages as readonly [Split, Split];
  await trainAndSaveBase(demo, run, { train: base, classes: labels.length });
  const { model, task } = await openTask(join(folder, 'base'));
  const train = toArrays(update.train, labels.length);
  const test = toArrays(update.test, labels.length);
  const onStep = ({ done: step, total: steps, loss }: StepReport): void =>
    screen.show(`step ${step} of ${steps}, loss ${loss.toFixed(3)}`);
  const shared = { task, train, validation: test, seed, signal, onStep };
  screen.start('full fine-tune, the reference');
  const full = await fineTune({ ...shared, ...demo.fineTuning });
  const baseAccuracy = (await task.evaluate(test)).accuracy as number;
  const measure = async (device: string): Promise<number> => {
    const patched = await openTask(device);
    const { accuracy } = await patched.task.evaluate(test);
    patched.model.dispose();
    return accuracy as number;
  };
  const diffs: DiffRow[] = [];
  for (const kind of ['hash', 'sparse'] as const) {
    screen.start(`${kind} diff`);
    const { batchSize } = demo.fineTuning;
    const plan = { budget: BUDGETS[kind], epochs: demo.diffEpochs, batchSize, fullFineTune: full };
    const trained = await TRAINERS[kind]({ ...shared, ...plan });
    await writeFile(join(folder, `${kind}.ndiff`), trained.payload);
    diffs.push(await patchCopy({ kind, folder, trained, full, measure }));
  }
  screen.end();
  const bytes = float32Bytes(task);
  tf.dispose([train, test]);
  return {
    adds: adds[1] as string,
    examples: { train: update.train.count, test: update.test.count },
    base: { parameters: model.countParams(), bytes, accuracy: baseAccuracy },
    full: { accuracy: full.metrics.accuracy as number },
    diffs,
  };
}

async function trainAndSaveBase(
  { createModel, baseTraining }: ClassifierDemo,
  { seed, folder, screen, signal }: Run,
  data: { train: Split; classes: number },
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await useBackend('wasm');
  screen.start('training the base model');
  const model = createModel(data.classes, seed);
  await trainBase(model, data.train.train, {
    ...baseTraining,
    seed,
    signal,
    onEpoch: (epoch) => screen.show(`epoch ${epoch + 1} of ${baseTraining.epochs}`),
  });
  await saveModel(model, join(folder, 'base'));
  model.dispose();
}
