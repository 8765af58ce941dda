import * as tf from '@tensorflow/tfjs';
import { createFreePart, loopOptions } from '../../../train/fine-tune.js';
import { trainParts } from '../../../train/loop.js';
import { type DiffPart, readFloats } from '../../../train/part.js';
import { selectWeights, variablesOf, withTraining } from '../../../train/session.js';
import { createLayersTask, type Metrics, type Task } from '../../../train/task.js';
import type { Checkpoints, StepReport, TrainingOptions } from '../../../train/training-options.js';
import { assign } from '../../../train/training-state.js';
import { definedOnly } from '../../options.js';
import type { RecipeData } from '../../recipe.js';
import { guardRecipe } from '../../recipe-errors.js';
import { compileByRecipe, type RecipeUse } from '../../recipe-task.js';

/** Epochs and learning rate where neither the caller nor the recipe sets them. */
const DEFAULTS = { epochs: 24, learningRate: 3e-3 };

/** What untrained networks are trained on, and how. */
export interface NetworkTraining {
  readonly use: RecipeUse;
  readonly data: Required<Pick<RecipeData, 'train' | 'validation'>>;
  /** Of a whole training. */
  readonly epochs: number;
  readonly learningRate: number;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((report: StepReport) => void) | undefined;
  readonly onEpoch?: TrainingOptions['onEpoch'];
  /** Where a run keeps its state after every epoch. */
  readonly checkpoints?: Checkpoints | undefined;
}

/** @returns epochs and learning rate: those asked for, else of the recipe's full fine-tune */
export function planOf(
  asked: { readonly epochs?: number | undefined; readonly learningRate?: number | undefined },
  { options }: RecipeUse,
): Pick<NetworkTraining, 'epochs' | 'learningRate'> {
  const { epochs = DEFAULTS.epochs, learningRate = DEFAULTS.learningRate } = options.fineTune ?? {};
  return { epochs: asked.epochs ?? epochs, learningRate: asked.learningRate ?? (learningRate as number) };
}

/** @returns the task of an untrained network, which trains as `model.fit` does */
export async function networkTask(model: tf.LayersModel, { use }: NetworkTraining): Promise<Task> {
  await compileByRecipe(use, model);
  const { outputKind, microBatchSize: evaluationBatchSize } = use.options;
  return createLayersTask(model, { mode: 'training', ...definedOnly({ outputKind, evaluationBatchSize }) });
}

/**
 * Trains all weights of an untrained network, with the loop that trains diffs. Its variables hold the result,
 * moving statistics included.
 *
 * @param parts schedules that run along
 * @throws NeuralDiffError `training-diverged`, `bad-data`, `no-memory`; the signal's reason
 */
export async function trainNetwork(
  task: Task,
  training: NetworkTraining,
  { epochs, parts = [] }: { readonly epochs: number; readonly parts?: readonly DiffPart[] },
): Promise<void> {
  const { use, data, learningRate, ...run } = training;
  const { batchSize, microBatchSize } = use.options;
  const { optimizer: make } = use.recipe;
  const optimizer = make && ((rate: number) => guardRecipe(use.path, make)({ tf, learningRate: rate }));
  const given = { ...run, epochs, learningRate, batchSize, microBatchSize, optimizer };
  const loop = loopOptions(given, DEFAULTS);
  const names = new Set(selectWeights(task).map(({ name }) => name));
  const free = createFreePart(variablesOf(task, names), { tracksSquares: false });
  try {
    await withTraining(task, async () => {
      const job = { phase: 'fine-tune', task, data: data.train, base: new Map() } as const;
      await trainParts({ ...job, parts: [free, createStatisticsPart(task), ...parts] }, loop);
    });
  } finally {
    free.dispose();
  }
}

/** A part without parameters: moving statistics are kept with the state of a training, and taken from it. */
function createStatisticsPart(task: Task): DiffPart {
  const statistics = task.weights.filter(
    ({ trainable, variable }) => !trainable && variable.dtype === 'float32',
  );
  return {
    tensors: [],
    parameters: [],
    advance() {},
    read() {},
    materialise: () => new Map(),
    pullBack: () => [],
    ops: () => [],
    save: () => Promise.all(statistics.map(({ variable }) => readFloats(variable))),
    restore(saved: readonly Float32Array[]) {
      for (const [i, { variable }] of statistics.entries()) assign(variable, saved[i] as Float32Array);
    },
    describe: () => ({}),
    dispose() {},
  };
}

/** Trains an untrained network and measures it on the validation set. */
export async function trainAndMeasure(
  model: tf.LayersModel,
  training: NetworkTraining,
  options: { readonly epochs: number },
): Promise<Metrics> {
  const task = await networkTask(model, training);
  await trainNetwork(task, training, options);
  return task.evaluate(training.data.validation);
}
