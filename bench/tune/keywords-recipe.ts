import type * as Tf from '@tensorflow/tfjs';
import { createSeeds } from '../../examples/common/seeds.js';
import { toArrays } from '../../examples/common/task.js';
import { CLIP_SHAPE } from '../../examples/keyword-spotting/features.js';
import { addKeywordBlock, classify, type KeywordBlock } from '../../examples/keyword-spotting/model.js';
import type { Recipe, RecipeData } from '../../src/recipe/recipe.js';
import { findTask } from '../tasks/index.js';
import type { Stage } from '../tasks/task.js';

/** Set by the bench for all data; a recipe takes no arguments. */
const isFull = process.env.KEYWORDS_FULL === '1';

/** Of the first update: everything known then, of quick data the last stage. */
const STAGE = 1;

/** Networks from scratch, of quick data: more epochs are no better. */
const EPOCHS = { quick: 28, full: 16 };

/** All words of the update, for networks that are trained from scratch. */
export async function data({ seed, signal }: { seed: number; signal: AbortSignal }): Promise<RecipeData> {
  const { stages, labels, classes } = await findTask('keywords').load({ seed, quick: !isFull, signal });
  const { train, validation, test } = stages[STAGE] as Stage;
  return {
    train: toArrays(train, classes),
    validation: toArrays(validation, classes),
    test: toArrays(test, classes),
    labels,
  };
}

export const loss = 'categoricalCrossentropy';
export const metrics = ['accuracy'];
export const options: Recipe['options'] = {
  batchSize: 64,
  fineTune: { epochs: isFull ? EPOCHS.full : EPOCHS.quick, learningRate: 3e-3 },
};

/** Outputs: the labels of all stages. */
const CLASSES = isFull ? 47 : 35;

/**
 * The hand-made network has the first of all values. Longer strides of its first block were tried, too: in
 * whole trials they were no better.
 */
const choices = {
  depth: [4, 3],
  width1: [96, 80, 64, 48, 32],
  width2: [128, 112, 96, 80, 64, 48],
  block3: ['separable', 'plain'],
  width3: [192, 160, 128, 96],
  block4: { values: ['separable', 'plain'], when: { depth: [4] } },
  width4: { values: [288, 224, 192, 160, 128], when: { depth: [4] } },
} satisfies NonNullable<Recipe['network']>['choices'];

type Context = Parameters<NonNullable<Recipe['network']>['create']>[0];

/** Makes a keyword network of other widths, depth and blocks. */
function create({ tf, seed, choice, gate, pick }: Context): Tf.LayersModel {
  const nextSeed = createSeeds(seed);
  const input = tf.input({ shape: [...CLIP_SHAPE] });
  const add = (tensor: Tf.SymbolicTensor, block: Omit<KeywordBlock, 'channels'>, at: number) => {
    const channels = choice[`width${at}`] as number;
    const made = (name: string, separable: boolean) =>
      addKeywordBlock(tensor, { ...block, name, separable, channels }, nextSeed);
    const { name } = block;
    if (!(name in choice)) return gate(made(name, block.separable), `width${at}`);
    const branches = { separable: () => made(name, true), plain: () => made(`${name}_plain`, false) };
    return gate(pick(name, branches), `width${at}`);
  };
  let output = add(input, { ...plain('block1', 5), stride: 2 }, 1);
  output = add(output, { ...plain('block2', 3), stride: 2 }, 2);
  output = add(output, { ...plain('block3', 5), stride: 2 }, 3);
  if (choice.depth === 4) output = add(output, { ...plain('block4', 3), stride: 1 }, 4);
  return classify(input, output, { classes: CLASSES, seed: nextSeed() });
}

const plain = (name: string, frames: number) => ({ name, separable: false, frames });

export const network = { choices, create };
