import { NeuralDiffError } from '../model/errors.js';
import { type Model, totalElements } from '../model/tensor.js';
import type { Meta, Op } from '../payload/diff.js';
import {
  type Budget,
  budgetBytes,
  float32Bytes,
  impossibleBudget,
  packDiff,
  readBudget,
} from '../payload/encode.js';
import { infoOf } from '../tfjs/weights.js';
import { checkNumber } from './check.js';
import { countExamples, type Data } from './data.js';
import { denseRateFor, sufficientBudget } from './dense-rate.js';
import { onDevice, shareBytes, storedBase } from './device.js';
import { checkEpochScale, usualRate, withEpochs } from './diff-schedule.js';
import { createTeacher, type DistillationOptions, meanTeacher, type Teacher } from './distillation.js';
import {
  baseOf,
  type FineTuned,
  type FineTuneOptions,
  fineTune,
  fineTuneFrom,
  fineTuneLoop,
  loopOptions,
  numbersPerWeight,
  sumValues,
} from './fine-tune.js';
import { fitToBudget } from './fit-to-budget.js';
import { gridOf } from './grid.js';
import { partitionTensors } from './layout.js';
import { trainParts } from './loop.js';
import { checkMemory } from './memory.js';
import type { DiffPart } from './part.js';
import {
  type BaseWeights,
  checkData,
  checkGradients,
  measure,
  putBase,
  selectWeights,
  takeBase,
  weightsOfModel,
  withBaseRestored,
  withTraining,
} from './session.js';
import type { DeviceModel, Metrics, Task } from './task.js';
import { trainSteadily } from './train-steadily.js';
import type { LoopOptions, TrainingOptions } from './training-options.js';

/** Options of both trainers. */
export interface TrainDiffOptions extends TrainingOptions {
  readonly task: Task;
  readonly train: Data;
  /** Measured with the base, the full fine-tune and the decoded payload. */
  readonly validation?: Data | undefined;
  /** Largest size of the payload file. */
  readonly budget: Budget;
  /**
   * Multiplies the epochs, set or by default: 2^-10 to 2^10; default 1. By default a diff gets 24 to 72
   * epochs, as many as make 3,000 steps.
   */
  readonly epochScale?: number | undefined;
  /**
   * The full fine-tune that guides the diff; trained first by default, with the epochs, learning rate and
   * optimiser of `fineTune` below. Without these, rate and epochs are found on the validation set.
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
  /**
   * Bits per weight of biases and norms after entropy coding: 0.1 to 7; by default 1.2, or fewer where these
   * would take more than half of the budget.
   */
  readonly denseRate?: number;
  /** Whether to measure the diff on the validation set after each epoch too, for `epochs` of the result. */
  readonly measureEpochs?: boolean | undefined;
  readonly meta?: Meta;
}

/** A trained and packed diff. */
export interface TrainedDiff {
  readonly payload: Uint8Array;
  /** Fingerprints in hexadecimal digits. */
  readonly base: string;
  readonly next: string;
  /**
   * The model that the decoded payload makes of the base. Tensors that it leaves alone share their bytes with
   * the base: copy them before you change them in place.
   */
  readonly model: Model;
  /** Payload bytes as a share of the float32 model. */
  readonly share: number;
  /** On the validation set (empty without one); `diff` is that of the decoded payload applied to the base. */
  readonly metrics: { readonly base: Metrics; readonly full: Metrics; readonly diff: Metrics };
  /** Examples of the validation set; 0 without one. */
  readonly validationExamples: number;
  /** That of the full fine-tune, if it was found on the validation set. */
  readonly plan?: FineTuned['plan'];
  /**
   * The epochs of the diff: mean loss, state of its parts, and with `measureEpochs` metrics on the validation
   * set, of the weights of the last step. Epochs before a new start with a lower rate do not count.
   */
  readonly epochs: readonly {
    readonly loss: number;
    readonly state: Readonly<Record<string, number>>;
    readonly metrics?: Metrics;
  }[];
}

/** What a kind of diff needs to create its parts. */
export interface PartContext {
  readonly base: BaseWeights;
  readonly full: FineTuned;
  /** Whether the full fine-tune is for this diff alone, so that it may be overwritten. */
  readonly ownsFull: boolean;
  readonly budgetBytes: number;
  readonly denseRate: number;
  readonly seed: number;
  readonly meta: Meta;
  /** Names of weights whose rows are looked up. */
  readonly embeddings: ReadonlySet<string>;
}

/** How many weights a diff is for, and the most bytes that it may have. */
export interface DiffSize {
  readonly weights: number;
  readonly budgetBytes: number;
}

/** A kind of diff. */
export interface DiffKind {
  /** Whether its parts need the Fisher information of the full fine-tune; those of embeddings always do. */
  readonly fisher: boolean;
  /** Whether all state of its parts follows θ, so that training can start again with a lower rate. */
  readonly restarts?: boolean;
  /** @returns how many numbers its parts and their optimiser keep at least; few by default */
  numbersOf?(size: DiffSize): number;
  createParts(context: PartContext): DiffPart[];
}

/** Share of a diff's steps in which its learning rate rises; without it recurrent networks lose accuracy. */
const WARM_UP = 0.2;

/**
 * Trains a diff of one kind: full fine-tune, teacher, diff within the budget, packing, measuring. The task's
 * variables are restored to the base.
 *
 * @param options options of both trainers
 * @throws TypeError while the model is being trained
 */
export async function trainDiff(options: TrainDiffOptions, kind: DiffKind): Promise<TrainedDiff> {
  const loop = checkedLoop(options, kind);
  return withTraining(options.task, async () => trainChecked(options, kind, await withEpochs(loop, options)));
}

async function trainChecked(
  options: TrainDiffOptions,
  kind: DiffKind,
  loop: LoopOptions,
): Promise<TrainedDiff> {
  const { held, base } = await takeBases(options);
  try {
    return await trainOnBase(options, kind, { loop, held, base });
  } catch (error) {
    if (!(error instanceof NeuralDiffError && error.code === 'budget-impossible')) throw error;
    throw impossibleBudget(readBudget(options.budget, base.tensors), sufficientBudget(options, base));
  }
}

async function trainOnBase(
  options: TrainDiffOptions,
  kind: DiffKind,
  { loop, held, base }: { loop: LoopOptions; held: BaseWeights; base: BaseWeights },
): Promise<TrainedDiff> {
  const { task, validation, meta = {} } = options;
  const bytes = budgetBytes(options.budget, base.tensors);
  const denseRate = options.denseRate ?? denseRateFor(bytes, base, meta);
  const least = partitionTensors(base, { denseRate, meta }).fileBytes([]);
  if (least > bytes) throw impossibleBudget(bytes, least);
  await checkGradients(task, options.train);
  return withBaseRestored(task, held, async () => {
    putBase(task, base);
    const baseMetrics = validation ? await measure(task, { base, trained: base.trainable }, validation) : {};
    const setting = {
      base,
      budgetBytes: bytes,
      denseRate,
      seed: loop.seed,
      meta,
      embeddings: embeddingsOf(task),
    };
    const { full, ops, epochs } = await trainOps(options, kind, { setting, loop });
    const { plan } = full;
    const packed = await packDiff(base.model, { ops }, meta);
    const trained = weightsOfModel(packed.model, new Set(base.trainable.keys()), base.quantization);
    const diff = validation ? await measure(task, { base, trained }, validation) : {};
    const share = packed.payload.length / float32Bytes(base.tensors);
    const validationExamples = validation ? await countExamples(validation, task) : 0;
    return {
      ...packed,
      share,
      metrics: { base: baseMetrics, full: full.metrics, diff },
      validationExamples,
      plan,
      epochs,
    };
  });
}

/** @returns the task's weights, and those of the model that devices store */
async function takeBases(options: TrainDiffOptions): Promise<{ held: BaseWeights; base: BaseWeights }> {
  const { task, device = task.device } = options;
  const held = await takeBase(task, options, baseOf(options.fullFineTune));
  if (!device) return { held, base: held };
  const shared = shareBytes(held, device);
  return { held: shared, base: onDevice(shared, device) };
}

/** @returns the names of weights whose rows are looked up */
export function embeddingsOf({ weights }: Task): ReadonlySet<string> {
  return new Set(weights.filter(({ isEmbedding }) => isEmbedding).map(({ name }) => name));
}

type PartSetting = Omit<PartContext, 'full' | 'ownsFull'>;

/** What a diff is trained with. The full fine-tune is in memory only until this is known. */
interface Guided {
  readonly parts: readonly DiffPart[];
  readonly teacher: Teacher | undefined;
  readonly full: Pick<FineTuned, 'metrics' | 'plan'>;
}

/** Trains the full fine-tune unless it is given, and creates parts and teacher from it. */
async function guide(options: TrainDiffOptions, kind: DiffKind, setting: PartSetting): Promise<Guided> {
  const { task, train, fullFineTune, distillation } = options;
  const loop = fineTuneLoop(fineTuneOptions(options));
  const fisher = kind.fisher || embeddingsOf(task).size > 0;
  const full = fullFineTune ?? (await fineTuneFrom(setting.base, fineTuneOptions(options), { loop, fisher }));
  const parts = kind.createParts({ ...setting, full, ownsFull: !fullFineTune });
  if (distillation === false) return { parts, teacher: undefined, full: factsOf(full) };
  const teachers: Teacher[] = [];
  try {
    const weights = fullFineTune?.weights ?? sumValues(setting.base.trainable, full.deltas);
    teachers.push(createTeacher(task, weights, train));
    for (let i = 1; i < (distillation?.teachers ?? 1); i++)
      teachers.push(await anotherTeacher(options, { base: setting.base, plan: full.plan, index: i }));
    return { parts, teacher: meanTeacher(teachers), full: factsOf(full) };
  } catch (error) {
    for (const each of [...parts, ...teachers]) each.dispose();
    throw error;
  }
}

/** Keeps the seeds of teachers apart from those that a search for a plan counts through. */
const TEACHER_SEEDS = 1000;

/** Trains another full fine-tune, with the learning rate and epochs of the first, for its outputs alone. */
async function anotherTeacher(
  options: TrainDiffOptions,
  { base, plan, index }: { base: BaseWeights; plan: FineTuned['plan']; index: number },
): Promise<Teacher> {
  const given = { ...fineTuneOptions(options), validation: undefined };
  const found = plan ? { learningRate: plan.learningRate, epochs: plan.epochs } : {};
  const loop = fineTuneLoop({ ...given, ...found });
  const seed = (loop.seed + TEACHER_SEEDS * index) >>> 0;
  const { deltas } = await fineTuneFrom(base, given, { loop: { ...loop, seed }, fisher: false });
  return createTeacher(options.task, sumValues(base.trainable, deltas), options.train);
}

/** Leaves its tensors to be freed. */
function factsOf({ metrics, plan }: FineTuned): Guided['full'] {
  return { metrics, plan };
}

/** Trains the parts of a kind, fits their ops to the budget, and disposes of everything. */
async function trainOps(
  options: TrainDiffOptions,
  kind: DiffKind,
  { setting, loop }: { setting: PartSetting; loop: LoopOptions },
): Promise<{ ops: Op[] } & Pick<Guided, 'full'> & Pick<TrainedDiff, 'epochs'>> {
  const { base, budgetBytes: bytes, meta } = setting;
  const { parts, teacher, full } = await guide(options, kind, setting);
  const { task, train: data, validation, distillation, measureEpochs } = options;
  const measure = measureEpochs && validation ? () => task.evaluate(validation) : undefined;
  const { epochs, onEpoch } = collectEpochs(loop);
  const job = {
    phase: 'diff' as const,
    task,
    data,
    base: storedBase(base),
    parts,
    grid: gridOf(base),
    teacher,
    measure,
  };
  try {
    const isFree = options.learningRate === undefined && options.optimizer === undefined;
    const train = kind.restarts && isFree ? trainSteadily : trainParts;
    const taught = { ...job, distillation: distillation === false ? undefined : distillation };
    await train(taught, { ...loop, onEpoch });
    await Promise.all(parts.map((part) => part.read()));
    return { ops: fitToBudget(parts, { bytes, tensors: base.tensors, meta }), full, epochs };
  } finally {
    teacher?.dispose();
    for (const part of parts) part.dispose();
  }
}

/** Collects the reports of a run's epochs, from its last start on. */
function collectEpochs(loop: LoopOptions): {
  readonly epochs: TrainedDiff['epochs'];
  readonly onEpoch: NonNullable<LoopOptions['onEpoch']>;
} {
  const epochs: TrainedDiff['epochs'][number][] = [];
  return {
    epochs,
    onEpoch(report) {
      const { epoch, loss, state, metrics } = report;
      epochs.splice(epoch, epochs.length, { loss, state, ...(metrics && { metrics }) });
      return loop.onEpoch?.(report);
    },
  };
}

/** @returns the loop's options of a diff but its epochs, after a check of all that can be checked at once */
function checkedLoop(options: TrainDiffOptions, kind: DiffKind): LoopOptions {
  const { task, train, validation, denseRate, distillation } = options;
  checkEpochScale(options);
  checkNumber('denseRate', denseRate, { least: 0.1, most: 7 });
  if (distillation) {
    checkNumber('distillation.weight', distillation.weight, { least: 0, most: 1 });
    checkNumber('distillation.teachers', distillation.teachers, { least: 1, most: 8 });
    if (!Number.isInteger(distillation.teachers ?? 1))
      throw new RangeError(`Cannot train: expected whole "teachers", got ${distillation.teachers}`);
    checkNumber('distillation.temperature', distillation.temperature, { least: 2 ** -10, most: 2 ** 10 });
  }
  const learningRate = usualRate({ hasEmbeddings: embeddingsOf(task).size > 0 });
  const loop = loopOptions(options, { epochs: 1, learningRate });
  checkData(task, train);
  if (validation) checkData(task, validation);
  checkDiffMemory(options, kind, loop);
  return { ...loop, warmUp: WARM_UP };
}

/** The diff needs the base, gradients of the weights, and its own; the full fine-tune what it needs alone. */
function checkDiffMemory(options: TrainDiffOptions, kind: DiffKind, loop: LoopOptions): void {
  const { task, fullFineTune } = options;
  const trained = selectWeights(task, options);
  const weights = totalElements(trained.map(infoOf));
  const bytes = readBudget(options.budget, task.weights.map(infoOf));
  const gradients = numbersPerWeight({ ...loop, optimizer: undefined }) - 2;
  const diff = { perWeight: 1 + gradients, others: kind.numbersOf?.({ weights, budgetBytes: bytes }) ?? 0 };
  checkMemory({ weights: task.weights, trained, ...diff });
  if (fullFineTune) return;
  const perWeight = numbersPerWeight(fineTuneLoop(fineTuneOptions(options)));
  checkMemory({ weights: task.weights, trained, perWeight });
}

/**
 * Trains the full fine-tune that a diff starts with unless it is given one. It uses the diff's data, batches,
 * seed and callbacks; other options are set separately.
 *
 * @param options options of the diff's trainer
 * @throws as `fineTune`
 */
export function fineTuneFor(options: TrainDiffOptions): Promise<FineTuned> {
  return fineTune(fineTuneOptions(options));
}

/** @returns the options of the full fine-tune that a diff starts with */
export function fineTuneOptions(options: TrainDiffOptions): FineTuneOptions {
  const { task, train, validation, only, freeze, signal, onStep, onEpoch } = options;
  const { batchSize, microBatchSize, seed, checkpoints } = options;
  const data = { task, train, validation, only, freeze, signal, onStep, onEpoch, checkpoints };
  return { ...data, batchSize, microBatchSize, seed, ...options.fineTune };
}
