// Measures one task with one seed: base, tuned full fine-tune, diffs of every kind and budget, baselines at
// equal bytes.

import { parentPort, workerData } from 'node:worker_threads';
import { takeBase, weightsOfModel } from '../../src/train/session.js';
import type { Baseline } from '../baselines/baseline.js';
import { ANY_SIZE, FIXED_SIZE, UNTRAINED } from '../baselines/index.js';
import {
  arraysOf,
  LONGER,
  type Prepared,
  prepare,
  type StageArrays,
  TRAINERS,
  type Tuned,
  tuneFull,
  type Unit,
} from '../common/prepare.js';
import type { UnitMessage } from '../common/units.js';
import { findTask } from '../tasks/index.js';
import type { Stage } from '../tasks/task.js';
import { flipsOf, hitsOf } from './hits.js';
import { meanOf, type Point, type UnitResult } from './result.js';

/** Shares of the float32 model, in percent. */
const BUDGETS = [0.1, 0.2, 0.3, 0.5, 1];
const TRAINED_BASELINE_BUDGETS = [0.5, 2];
const BASELINE_BUDGETS = [0.2, 0.5, 1, 2];
const QUICK_BUDGETS = [0.5];

const unit = workerData as Unit;
const say = (message: UnitMessage<UnitResult>): void => parentPort?.postMessage(message);

/** What the measurements share. */
interface Setting extends Prepared {
  readonly arrays: StageArrays;
  readonly tuned: Tuned;
  readonly epochs: number;
  /** Of the full fine-tune. */
  readonly hits: Uint8Array;
}

async function run(): Promise<UnitResult> {
  const prepared = await prepare(findTask(unit.task), unit);
  const { data, task } = prepared;
  const arrays = arraysOf(data.stages[1] as Stage, data.classes);
  const base = (await task.evaluate(arrays.test)).accuracy as number;
  const tuned = await tuneFull(task, arrays, { plan: data.fineTuning, ...unit });
  const hits = await hitsOf({ task, arrays }, tuned.full.weights);
  const setting = { ...prepared, arrays, tuned, epochs: LONGER * tuned.plan.epochs, hits };
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

async function measureDiffs({ task, arrays, tuned, epochs, data, hits }: Setting): Promise<Point[]> {
  const points: Point[] = [];
  for (const percent of unit.quick ? QUICK_BUDGETS : BUDGETS) {
    for (const [kind, train] of Object.entries(TRAINERS)) {
      const start = performance.now();
      const { payload, model } = await train({
        task,
        train: arrays.train,
        fullFineTune: tuned.full,
        budget: `${percent}%`,
        epochs,
        batchSize: data.fineTuning.batchSize,
        seed: unit.seed,
      });
      const weights = weightsOfModel(model, new Set(tuned.full.weights.keys()));
      const own = await hitsOf({ task, arrays }, weights);
      const measured = { bytes: payload.length, accuracy: meanOf([...own]), flips: flipsOf(hits, own) };
      const seconds = (performance.now() - start) / 1000;
      points.push(tell({ method: kind, percent, isOurs: true, seconds, ...measured }));
    }
  }
  return points;
}

async function measureBaselines(setting: Setting): Promise<Point[]> {
  const points: Point[] = [];
  for (const baseline of ANY_SIZE) {
    const full = UNTRAINED.has(baseline) ? BASELINE_BUDGETS : TRAINED_BASELINE_BUDGETS;
    for (const percent of unit.quick ? QUICK_BUDGETS : full)
      points.push(await measureBaseline(setting, { baseline, percent }));
  }
  for (const baseline of FIXED_SIZE) points.push(await measureBaseline(setting, { baseline, percent: null }));
  return points;
}

async function measureBaseline(
  setting: Setting,
  { baseline, percent }: { baseline: Baseline; percent: number | null },
): Promise<Point> {
  const { task, arrays, tuned, epochs, data, weights, hits } = setting;
  const start = performance.now();
  const result = await baseline.run({
    task,
    train: arrays.train,
    base: await takeBase(task),
    full: tuned.full,
    budgetBytes: percent === null ? Number.POSITIVE_INFINITY : (4 * weights * percent) / 100,
    training: { epochs, batchSize: data.fineTuning.batchSize, seed: unit.seed },
  });
  const own = result && (await hitsOf(setting, result.weights));
  const measured = own && { bytes: result.bytes, accuracy: meanOf([...own]), flips: flipsOf(hits, own) };
  return tell({
    method: baseline.name,
    percent,
    isOurs: false,
    seconds: (performance.now() - start) / 1000,
    ...(measured ?? { bytes: null, accuracy: null, flips: null }),
  });
}

function tell(point: Point): Point {
  const { method, percent, bytes, accuracy, seconds } = point;
  const budget = percent === null ? '' : ` ${percent} %`;
  const found =
    accuracy === null ? 'not possible' : `${Math.ceil(bytes as number)} bytes, ${accuracy.toFixed(4)}`;
  say({
    type: 'progress',
    text: `${unit.task}, seed ${unit.seed}: ${method}${budget}: ${found} (${seconds.toFixed(1)} s)`,
  });
  return point;
}

say({ type: 'result', result: await run() });
