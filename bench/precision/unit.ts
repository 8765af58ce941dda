// Mixed grids for one task with one seed, chosen on validation data and measured on test data.

import { parentPort, workerData } from 'node:worker_threads';
import { measureGrids } from '../../src/report/measure/precision/measure-precision.js';
import { infoOf } from '../../src/tfjs/weights.js';
import { createPredictor, createRunner } from '../../src/train/predictor.js';
import { arraysOf, prepare, type Unit } from '../common/prepare.js';
import type { UnitMessage } from '../common/units.js';
import { findTask } from '../tasks/index.js';
import type { Stage } from '../tasks/task.js';
import { MAX_GAP, type PrecisionResult } from './result.js';

const unit = workerData as Unit;
const say = (message: UnitMessage<PrecisionResult>): void => parentPort?.postMessage(message);

async function run(): Promise<PrecisionResult> {
  const { data, task, model } = await prepare(findTask(unit.task), unit);
  const { validation, test } = arraysOf(data.stages[0] as Stage, data.classes);
  const live = {
    runner: createRunner(createPredictor(model)),
    weights: task.weights,
    tensors: task.weights.map(infoOf),
  };
  const start = performance.now();
  let seconds = 0;
  const { totals, runs, chosenBy } = await measureGrids(live, {
    maxGap: MAX_GAP,
    found: { validation, test, labels: data.labels },
    onProgress: ({ phase }) => {
      if (phase === 'done') seconds = (performance.now() - start) / 1000;
    },
  });
  for (const { way, bytes, measured } of totals) {
    const gap = measured ? (100 * measured.gap.value).toFixed(2) : '-';
    say({ type: 'progress', text: `${unit.task}, seed ${unit.seed}: ${way}, ${bytes} bytes, gap ${gap}` });
  }
  const testExamples = test.ys.shape[0] as number;
  return { ...unit, validationExamples: chosenBy.examples, testExamples, runs, seconds, totals };
}

say({ type: 'result', result: await run() });
