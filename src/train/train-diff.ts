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
import { type LoopJob, type LoopOptions, type TrainingOptions, trainParts } from './loop.js';
import type { DiffPart } from './part.js';
import {
  type BaseWeights,
  checkData,
  checkGradients,
  measure,
  putBase,
  takeBase,
  weightsOfModel,
  withBaseRestored,
} from './session.js';
import type { Metrics, Task } from './task.js';

/** Options of both trainers. */
export interface TrainDiffOptions extends TrainingOptions {
  readonly task: Task;
  readonly train: Data;
  /** Measured with the base, the full fine-tune and the decoded payload. */
  readonly validation?: Data | undefined;
  /** Largest size of the payload file. */
  readonly budget: Budget;
  /**
   * The full fine-tune that guides the diff; trained first by default, with the epochs, learning rate and
   * optimiser of `fineTune` below.
   */
  readonly fullFineTune?: FineTuned | undefined;
  readonly fineTune?: Pick<TrainingOptions, 'epochs' | 'learningRate' | 'optimizer'>;
  /** How the diff learns from the full fine-tune's outputs; `false` to learn only from labels. */
  readonly distillation?: DistillationOptions | false;
  /**
   * The model as devices store it, if in float16, bfloat16 or quantised to int8 or uint8, with the names and
   * shapes of the task's weights; by default `task.device`. The diff is made for it and trained on its grid;
   * the task's variables are restored.
   */
  readonly device?: DeviceModel | undefined;
  /** Bits per weight of biases and norms after entropy coding: 0.1 to 7; default 1.2. */
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

/** What a kind of diff needs to create its parts. */
export interface PartContext {
  readonly base: BaseWeights;
  readonly full: FineTuned;
  readonly budgetBytes: number;
  readonly denseRate: number;
  readonly seed: number;
  readonly meta: Meta;
}

const EPOCHS = 24;

/** Peak learning rate of runs up to this many steps; changes are in units of the full fine-tune's. */
const RATE = 0.1;
const RATE_STEPS = 2_000;

/** Longer runs need lower rates, or recurrent networks do not converge. */
const rateOf = (steps: number): number => RATE * Math.min(1, Math.sqrt(RATE_STEPS / steps));

/** Share of a diff's steps in which its learning rate rises; without it recurrent networks lose accuracy. */
const WARM_UP = 0.2;

/**
 * Trains a diff of one kind: full fine-tune, teacher, diff within the budget, packing, measuring. The task's
 * variables are restored to the base.
 *
 * @param options options of both trainers
 * @param createParts creates the parts of the kind
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
  const held = takeBase(task, options);
  const { device = task.device } = options;
  const base = device ? onDevice(held, device) : held;
  const bytes = budgetBytes(options.budget, base.tensors);
  const least = partitionTensors(base, { denseRate, meta }).fileBytes([]);
  if (least > bytes) throw impossibleBudget(bytes, least);
  if (options.fullFineTune) await checkGradients(task, train);
  return withBaseRestored(task, held, async () => {
    putBase(task, base);
    const baseMetrics = validation ? await measure(task, { base, trained: base.trainable }, validation) : {};
    const full = options.fullFineTune ?? (await fineTuneFor(options));
    const { distillation } = options;
    const ops = await trainOps(
      {
        createParts: () => createParts({ base, full, budgetBytes: bytes, denseRate, seed: loop.seed, meta }),
        createTeacher: () => (distillation === false ? undefined : createTeacher(task, full.weights, train)),
        phase: 'diff',
        task,
        data: train,
        base: storedBase(base),
        grid: gridOf(base),
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

/** Creates parts and teacher, trains, fits the parts' ops to the budget, and disposes of everything. */
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
 * Trains the full fine-tune that a diff starts with unless it is given one. It uses the diff's data, batches,
 * seed and callbacks; other options are set separately.
 *
 * @param options options of the diff's trainer
 * @throws as `fineTune`
 */
export function fineTuneFor(options: TrainDiffOptions): Promise<FineTuned> {
  const { task, train, validation, only, freeze, batchSize, seed, signal, onStep, onEpoch } = options;
  const shared = { task, train, validation, only, freeze, batchSize, seed, signal, onStep, onEpoch };
  return fineTune({ ...shared, ...options.fineTune });
}
