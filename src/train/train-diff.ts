import type { Model } from '../model/tensor.js';
import type { Meta, Op } from '../payload/diff.js';
import { type Budget, budgetBytes, float32Bytes, impossibleBudget, packDiff } from '../payload/encode.js';
import { checkNumber } from './check.js';
import type { Data } from './data.js';
import { type DeviceModel, onDevice, storedBase } from './device.js';
import { createTeacher, type DistillationOptions, type Teacher } from './distillation.js';
import { type FineTuned, fineTune, loopOptions } from './fine-tune.js';
import { type FileBudget, fitToBudget } from './fit-to-budget.js';
import { gridOf } from './grid.js';
import { partitionTensors } from './layout.js';
import type { TrainingOptions } from './loop.js';
import { type LoopJob, type LoopOptions, trainParts } from './loop.js';
import type { DiffPart } from './part.js';
import {
  type BaseWeights,
  checkData,
  measure,
  putBase,
  takeBase,
  weightsOfModel,
  withBaseRestored,
} from './session.js';
import type { Metrics, Task } from './task.js';

/** What both trainers take. */
export interface TrainDiffOptions extends TrainingOptions {
  readonly task: Task;
  readonly train: Data;
  /** Measured with the base, the full fine-tune and the decoded payload. */
  readonly validation?: Data | undefined;
  /** Bytes of the whole payload file that it will not exceed. */
  readonly budget: Budget;
  /**
   * The full fine-tune that guides the diff; trained first unless given. Its epochs, learning rate and optimiser are
   * those of `fineTune` here.
   */
  readonly fullFineTune?: FineTuned | undefined;
  readonly fineTune?: Pick<TrainingOptions, 'epochs' | 'learningRate' | 'optimizer'>;
  /** How the diff learns from the full fine-tune's outputs; `false` to learn from labels alone. */
  readonly distillation?: DistillationOptions | false;
  /**
   * The model as devices store it, where that is in float16, bfloat16 or quantised to int8 or uint8: same names and shapes
   * as the task's weights. The diff is made for it and trained on its grid; the task's variables get the values that they
   * had back.
   */
  readonly device?: DeviceModel | undefined;
  /** Bits a weight of biases and norms, after entropy coding: 0.1 to 7; default 1.2. */
  readonly denseRate?: number;
  readonly meta?: Meta;
}

/** A trained and packed diff. */
export interface TrainedDiff {
  readonly payload: Uint8Array;
  /** Fingerprints in hexadecimal digits. */
  readonly base: string;
  readonly next: string;
  /** The model that the decoded payload makes of the base. */
  readonly model: Model;
  /** Payload bytes as a share of the float32 model. */
  readonly share: number;
  /** On the validation set (empty without one); `diff` is that of the decoded payload applied to the base. */
  readonly metrics: { readonly base: Metrics; readonly full: Metrics; readonly diff: Metrics };
}

/** What a kind of diff needs to set itself up. */
export interface PartContext {
  readonly base: BaseWeights;
  readonly full: FineTuned;
  readonly budgetBytes: number;
  readonly denseRate: number;
  readonly seed: number;
  readonly meta: Meta;
}

const EPOCHS = 24;

/** Peak learning rate of runs up to some length; a rate of 1 is as large as what the full fine-tune changes. */
const RATE = 0.1;
const RATE_STEPS = 2_000;

/** Longer runs want lower rates, or recurrent nets do not settle. */
const rateOf = (steps: number): number => RATE * Math.min(1, Math.sqrt(RATE_STEPS / steps));

/** Share of a diff's steps in which its learning rate rises; without it recurrent nets lose points. */
const WARM_UP = 0.2;

/**
 * Trains a diff of one kind: full fine-tune, teacher, diff under the budget, packing, measuring. The task's variables
 * get the base back.
 *
 * @param options what both trainers take
 * @param createParts makes the kind's parts
 */
export async function trainDiff(
  options: TrainDiffOptions,
  createParts: (context: PartContext) => DiffPart[],
): Promise<TrainedDiff> {
  const { task, train, validation, meta = {}, denseRate = 1.2 } = options;
  checkOptions(options);
  const loop = loopOptions(options, { epochs: EPOCHS, learningRate: rateOf });
  checkData(task, train);
  if (validation) checkData(task, validation);
  const held = takeBase(task);
  const base = options.device ? onDevice(held, options.device) : held;
  const bytes = budgetBytes(options.budget, base.tensors);
  const least = partitionTensors(base, { denseRate, meta }).fileBytes([]);
  if (least > bytes) throw impossibleBudget(bytes, least);
  return withBaseRestored(task, held, async () => {
    putBase(task, base);
    const baseMetrics = validation ? await measure(task, { base, trained: base.trainable }, validation) : {};
    const full = options.fullFineTune ?? (await fineTuneFor(options));
    const { distillation } = options;
    const ops = await trainOps(
      {
        createParts: () => createParts({ base, full, budgetBytes: bytes, denseRate, seed: loop.seed, meta }),
        createTeacher: () => (distillation === false ? undefined : createTeacher(task, full.weights, train)),
        ...{ phase: 'diff', task, data: train, base: storedBase(base), grid: gridOf(base) },
        distillation: distillation === false ? undefined : distillation,
        budget: { bytes, tensors: base.tensors, meta },
      },
      { ...loop, warmUp: WARM_UP },
    );
    const packed = await packDiff(base.model, { ops }, meta);
    const weights = weightsOfModel(packed.model, new Set(base.trainable.keys()), base.quantization);
    const diffMetrics = validation ? await measure(task, { base, trained: weights }, validation) : {};
    const metrics = { base: baseMetrics, full: full.metrics, diff: diffMetrics };
    return { ...packed, share: packed.payload.length / float32Bytes(base.tensors), metrics };
  });
}

/** Makes parts and teacher, trains, takes as much of the parts' ops as is paid for, and frees everything. */
async function trainOps(
  setUp: Omit<LoopJob, 'parts' | 'teacher'> & {
    createParts: () => DiffPart[];
    createTeacher: () => Teacher | undefined;
    budget: FileBudget;
  },
  loop: LoopOptions,
): Promise<Op[]> {
  let parts: DiffPart[] = [];
  let teacher: Teacher | undefined;
  try {
    parts = setUp.createParts();
    teacher = setUp.createTeacher();
    await trainParts({ ...setUp, parts, teacher }, loop);
    return fitToBudget(parts, setUp.budget);
  } finally {
    teacher?.dispose();
    for (const part of parts) part.dispose();
  }
}

function checkOptions({ denseRate, distillation }: TrainDiffOptions): void {
  checkNumber('denseRate', denseRate, { least: 0.1, most: 7 });
  if (!distillation) return;
  checkNumber('distillation.weight', distillation.weight, { least: 0, most: 1 });
  checkNumber('distillation.temperature', distillation.temperature, { least: 2 ** -10, most: 2 ** 10 });
}

/**
 * Trains the full fine-tune that a diff begins with unless it is given one. It shares data, batches, seed and callbacks
 * with the diff; the rest is set for it alone.
 *
 * @param options what the diff's trainer gets
 * @throws as `fineTune`
 */
export function fineTuneFor(options: TrainDiffOptions): Promise<FineTuned> {
  const { task, train, validation, batchSize, seed, signal, onStep, onEpoch } = options;
  return fineTune({ task, train, validation, batchSize, seed, signal, onStep, onEpoch, ...options.fineTune });
}
