// Measures one task with one seed: base, tuned full fine-tune, diffs of every kind and budget, baselines at
// equal bytes.

import { parentPort, workerData } from 'node:worker_threads';
import { NeuralDiffError } from '../../src/model/errors.js';
import { takeBase, weightsOfModel } from '../../src/train/session.js';
import type { Baseline } from '../baselines/baseline.js';
import { ANY_SIZE, FIXED_SIZE, LEADING, UNTRAINED } from '../baselines/index.js';
import { type Full, fullFineTune } from '../common/full-fine-tune.js';
import { keep } from '../common/keep.js';
import {
  arraysOf,
  type Prepared,
  prepare,
  type StageArrays,
  TASK_PROGRAMS,
  type Unit,
} from '../common/prepare.js';
import { TRAINER_PROGRAMS, TRAINERS } from '../common/trainers.js';
import type { UnitMessage } from '../common/units.js';
import { findTask } from '../tasks/index.js';
import type { Stage } from '../tasks/task.js';
import { flipsOf, hitsOf } from './hits.js';
import { meanOf, type Point, type UnitResult } from './result.js';

type Kind = keyof typeof TRAINERS;

/** Shares of the float32 model, in percent, in ascending order. */
const BUDGETS: Readonly<Record<Kind, readonly number[]>> = {
  hash: [0.1, 0.2, 0.3, 0.5, 1],
  sparse: [0.5, 1],
};
const TRAINED_BASELINE_BUDGETS = [0.5, 1];
const BASELINE_BUDGETS = [0.2, 0.5, 1, 2];
const QUICK_BUDGETS = [0.5];

const BASELINES = new URL('../baselines/index.js', import.meta.url);

const unit = workerData as Unit;
const say = (message: UnitMessage<UnitResult>): void => parentPort?.postMessage(message);

/** What the measurements share. */
interface Setting extends Prepared, Full {
  readonly arrays: StageArrays;
  /** Of diffs and of baselines that train. */
  readonly epochs: number;
  /** Of the full fine-tune. */
  readonly hits: Uint8Array;
}

/** What a method made of the base; nulls if the budget cannot be met. */
type Measured = Pick<Point, 'bytes' | 'accuracy' | 'flips' | 'seconds'>;

async function run(): Promise<UnitResult> {
  const prepared = await prepare(findTask(unit.task), unit);
  const { data, task } = prepared;
  const arrays = arraysOf(data.stages[1] as Stage, data.classes);
  const base = (await task.evaluate(arrays.test)).accuracy as number;
  const tuned = await fullFineTune(prepared, arrays, unit);
  const hits = await hitsOf({ task, arrays }, tuned.full.weights);
  const setting = { ...prepared, ...tuned, arrays, epochs: data.diffEpochs, hits };
  const full = meanOf([...hits]);
  say({
    type: 'progress',
    text: `${unit.task}, seed ${unit.seed}: base ${base.toFixed(4)}, full ${full.toFixed(4)}`,
  });
  const diffs = await measureDiffs(setting);
  const baselines = await measureBaselines(setting);
  const tests = data.stages[1]?.test.count as number;
  return {
    ...unit,
    weights: prepared.weights,
    tests,
    base,
    full,
    tuning: tuned.tuning,
    points: [...diffs, ...baselines],
  };
}

async function measureDiffs(setting: Setting): Promise<Point[]> {
  const points: Point[] = [];
  for (const kind of Object.keys(TRAINERS) as Kind[]) {
    let best = Number.NEGATIVE_INFINITY;
    for (const percent of unit.quick ? QUICK_BUDGETS : BUDGETS[kind]) {
      const { validation, ...measured } = await measureDiff(setting, { kind, percent });
      const before = points.at(-1);
      // As in a sweep: a larger payload that does worse on the validation set is not taken.
      const isWorse = before !== undefined && validation < best;
      best = Math.max(best, validation);
      points.push({ ...(isWorse ? before : measured), method: kind, percent, isOurs: true });
    }
  }
  return points;
}

/** @returns what a diff comes to, and its accuracy on the validation set */
async function measureDiff(
  setting: Setting,
  { kind, percent }: { kind: Kind; percent: number },
): Promise<Measured & { validation: number }> {
  const { task, arrays, full, epochs, data, hits } = setting;
  const { batchSize } = data.fineTuning;
  return keepPoint(
    { method: kind, percent, setting, program: TRAINER_PROGRAMS[kind] },
    { epochs, batchSize },
    async () => {
      const options = { task, train: arrays.train, validation: arrays.validation, epochs, batchSize };
      const budget = `${percent}%`;
      const diff = await ifPossible(
        TRAINERS[kind]({ ...options, fullFineTune: full, budget, seed: unit.seed }),
      );
      if (diff === undefined) return { bytes: null, accuracy: null, flips: null, validation: 0 };
      const { payload, model, metrics } = diff;
      const own = await hitsOf({ task, arrays }, weightsOfModel(model, new Set(full.weights.keys())));
      const validation = metrics.diff.accuracy as number;
      return { bytes: payload.length, accuracy: meanOf([...own]), flips: flipsOf(hits, own), validation };
    },
  );
}

/** @returns the result; undefined if the budget is less than the smallest payload */
async function ifPossible<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof NeuralDiffError && error.code === 'budget-impossible') return undefined;
    throw error;
  }
}

async function measureBaselines(setting: Setting): Promise<Point[]> {
  const points: Point[] = [];
  for (const baseline of unit.all || unit.quick ? ANY_SIZE : LEADING) {
    const full = UNTRAINED.has(baseline) ? BASELINE_BUDGETS : TRAINED_BASELINE_BUDGETS;
    for (const percent of unit.quick ? QUICK_BUDGETS : full)
      points.push(await measureBaseline(setting, { baseline, percent }));
  }
  if (!unit.all && !unit.quick) return points;
  for (const baseline of FIXED_SIZE) points.push(await measureBaseline(setting, { baseline, percent: null }));
  return points;
}

async function measureBaseline(
  setting: Setting,
  { baseline, percent }: { baseline: Baseline; percent: number | null },
): Promise<Point> {
  const { task, arrays, full, epochs, data, weights, hits } = setting;
  const { batchSize } = data.fineTuning;
  const method = baseline.name;
  const measured = await keepPoint(
    { method, percent, setting, program: BASELINES },
    { epochs, batchSize },
    async () => {
      const result = await baseline.run({
        task,
        train: arrays.train,
        base: await takeBase(task),
        full,
        budgetBytes: percent === null ? Number.POSITIVE_INFINITY : (4 * weights * percent) / 100,
        training: { epochs, batchSize, seed: unit.seed },
      });
      if (result === undefined) return { bytes: null, accuracy: null, flips: null };
      const own = await hitsOf(setting, result.weights);
      return { bytes: result.bytes, accuracy: meanOf([...own]), flips: flipsOf(hits, own) };
    },
  );
  return { method, percent, isOurs: false, ...measured };
}

/** Measures a point unless an earlier run has, and says what came of it. */
async function keepPoint<T extends Omit<Measured, 'seconds'>>(
  point: { method: string; percent: number | null; setting: Setting; program: URL },
  settings: Readonly<Record<string, number>>,
  make: () => Promise<T>,
): Promise<T & { seconds: number }> {
  const { method, percent, setting, program } = point;
  const { value, isKept } = await keep(
    {
      what: `point-${method}`,
      programs: [...TASK_PROGRAMS, program],
      inputs: { ...setting.inputs, method, percent, ...settings },
    },
    async () => {
      const start = performance.now();
      const made = await make();
      return { ...made, seconds: (performance.now() - start) / 1000 };
    },
  );
  tell({ method, percent, ...value }, isKept);
  return value;
}

function tell(point: Measured & Pick<Point, 'method' | 'percent'>, isKept: boolean): void {
  const { method, percent, bytes, accuracy, seconds } = point;
  const budget = percent === null ? '' : ` ${percent} %`;
  const found =
    accuracy === null ? 'not possible' : `${Math.ceil(bytes as number)} bytes, ${accuracy.toFixed(4)}`;
  const time = isKept ? 'kept' : `${seconds.toFixed(1)} s`;
  const text = `${unit.task}, seed ${unit.seed}: ${method}${budget}: ${found} (${time})`;
  say({ type: 'progress', text });
}

say({ type: 'result', result: await run() });
