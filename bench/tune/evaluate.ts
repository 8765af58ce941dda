import { applyPayload } from '../../src/apply/apply-payload.js';
import { openMemoryStore } from '../../src/model/store.js';
import type { TrainingJob } from '../../src/recipe/job.js';
import type { Outcome } from '../../src/recipe/sweep/train-many.js';
import { takeBase, weightsOfModel } from '../../src/train/session.js';
import type { Task } from '../../src/train/task.js';
import { hitsOf } from '../accuracy/hits.js';
import { meanOf } from '../accuracy/result.js';
import type { Full } from '../common/full-fine-tune.js';
import { keep } from '../common/keep.js';
import { type Prepared, type StageArrays, TASK_PROGRAMS } from '../common/prepare.js';
import { TRAINER_PROGRAMS, TRAINERS } from '../common/trainers.js';

/** Applies, the fastest of which is the time of a payload: other programs make some slower. */
const APPLY_RUNS = 15;

/** What a task and its full fine-tune are. */
export interface Setting extends Prepared, Full {
  readonly arrays: StageArrays;
  readonly seed: number;
}

/** A payload that was trained, and what the test set says of it; no search sees that. */
export interface Evaluated {
  readonly outcome: Extract<Outcome, { status: 'trained' }>;
  readonly testAccuracy: number;
  readonly applyMilliseconds: number;
  readonly seconds: number;
}

/** Trains a job of the search, unless an earlier run has. */
export async function evaluate(job: TrainingJob, setting: Setting): Promise<Evaluated> {
  const { task, arrays, full, data, inputs, seed } = setting;
  const { kind, budget, options = {} } = job;
  const { hash, sparse, ...shared } = options;
  const own = kind === 'hash' ? hash : sparse;
  const programs = [...TASK_PROGRAMS, TRAINER_PROGRAMS[kind]];
  const { value } = await keep(
    { what: 'tune-trial', programs, inputs: { ...inputs, kind, budget, options } },
    async () => {
      const start = performance.now();
      const { batchSize } = data.fineTuning;
      const { train, validation } = arrays;
      const trained = await TRAINERS[kind]({
        ...{ task, train, validation, batchSize, budget, seed, fullFineTune: full },
        ...(shared as object),
        ...own,
      });
      const { model, ...diff } = trained;
      const seconds = (performance.now() - start) / 1000;
      const hits = await hitsOf({ task, arrays }, weightsOfModel(model, new Set(full.weights.keys())));
      const testAccuracy = meanOf([...hits]);
      return { diff, seconds, testAccuracy, applyMilliseconds: await timeApply(task, diff.payload) };
    },
  );
  const { diff, ...measured } = value;
  return { outcome: { status: 'trained', job, diff }, ...measured };
}

/** @returns milliseconds of applying a payload to a model in memory */
async function timeApply(task: Task, payload: Uint8Array): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < APPLY_RUNS; i++) {
    const store = openMemoryStore((await takeBase(task)).model);
    const start = performance.now();
    await applyPayload(store, payload);
    times.push(performance.now() - start);
  }
  return Math.min(...times);
}
