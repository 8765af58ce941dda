import type * as Tf from '@tensorflow/tfjs';
import type { Examples } from '../../examples/common/staged-examples.js';
import { toArrays } from '../../examples/common/task.js';
import type { TrainingPlan } from '../../examples/common/train-base.js';
import type { Recipe, RecipeData } from '../../src/recipe/recipe.js';
import { findTask } from '../tasks/index.js';
import type { Stage } from '../tasks/task.js';

/** @returns a recipe that teaches a task's first update, and that reports measure it by */
export function recipeOf(
  name: string,
  plan: TrainingPlan & { readonly diffEpochs: number },
): Required<Pick<Recipe, 'data' | 'loss' | 'metrics' | 'options'>> {
  const { epochs, learningRate, batchSize, diffEpochs } = plan;
  return {
    data: ({ seed, signal }) => loadData(name, seed, signal),
    loss: 'categoricalCrossentropy' satisfies Tf.ModelCompileArgs['loss'],
    metrics: ['accuracy'],
    options: { epochs: diffEpochs, batchSize, fineTune: { epochs, learningRate } },
  };
}

async function loadData(name: string, seed: number, signal: AbortSignal): Promise<RecipeData> {
  const { stages, labels, classes } = await findTask(name).load({ seed, signal });
  const [base, update] = stages as readonly [Stage, Stage];
  const arrays = (examples: Examples) => toArrays(examples, classes);
  const { train, validation, test } = update;
  return {
    train: arrays(train),
    validation: arrays(validation),
    test: arrays(test),
    labels,
    slices: { 'known since': slicesOf(base.test, test) },
  };
}

/** A stage's examples are those of the stage before, and then its own. */
function slicesOf(base: Examples, update: Examples): string[] {
  return Array.from({ length: update.count }, (_, i) => (i < base.count ? 'the base' : 'the update'));
}
