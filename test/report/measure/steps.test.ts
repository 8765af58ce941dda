import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { openBase } from '../../../src/recipe/open-base.js';
import { createRecipeTask } from '../../../src/recipe/recipe-task.js';
import { measureReport } from '../../../src/report/measure/measure-report.js';
import type { MeasureOptions } from '../../../src/report/measure/options.js';
import { useBackend } from '../../../src/tfjs/backend.js';
import { errorOf } from '../../support.js';
import { Workshop } from './fixtures.js';

const shop = new Workshop();
let base: string;
let payload: string;
let two: string;

/** Gives each step (1, 0), (0, 1) or (-1, -1) its class; with a bias of -20, class 0 never. */
async function saveSteps(name: string, bias: number, outputs: readonly string[] = []): Promise<string> {
  await useBackend('cpu');
  const input = tf.input({ shape: [null, 2] });
  const dense = (units: number, layer: string, activation: 'softmax' | 'linear') => {
    const made = tf.layers.dense({ units, name: layer, activation });
    return { made, output: made.apply(input) as tf.SymbolicTensor };
  };
  const classes = dense(3, 'classes', 'softmax');
  const others = outputs.map((layer) => dense(2, layer, 'linear').output);
  classes.made.setWeights([tf.tensor2d([8, 0, -8, 0, 8, -8], [2, 3]), tf.tensor1d([bias, 0, 0])]);
  return shop.saveModel(name, tf.model({ inputs: input, outputs: [...others, classes.output] }));
}

/** Two sequences of four steps; the base is wrong in one step of each. */
const STEPS = `
  const points = [[1, 0], [0, 1], [-1, -1]];
  const found = [[0, 1, 2, 0], [1, 1, 2, 2]];
  const right = [[0, 1, 2, 1], [1, 0, 2, 2]];
  const frames = tf.tensor3d(found.map((each) => each.map((place) => points[place])));
  const numbers = () => tf.tensor2d(right, [2, 4], 'int32');
  const hotSteps = () => tf.tidy(() => tf.cast(tf.oneHot(numbers(), 3), 'float32'));
  const of = (ys) => ({ xs: frames.clone(), ys });
  const names = ['a.wav', 'b.wav'];
  const slices = { speaker: ['theo', 'jack'] };`;

const recipeOf = (name: string, returned: string, exports = '') =>
  shop.recipe(name, `${STEPS} return { train, ${returned} };`, exports);

const measure = (recipe: string, options: Partial<MeasureOptions> = {}) =>
  measureReport({
    base,
    payloads: [payload],
    recipe,
    seed: 3,
    applyRuns: 0,
    byteDiffers: false,
    ...options,
  });

beforeAll(async () => {
  base = await saveSteps('base', 0);
  payload = await shop.exact('next.ndiff', base, await saveSteps('next', -20));
  two = await saveSteps('two', 0, ['route']);
});

test('measureReport() counts each step of a sequence as an example', async () => {
  const found = await measure(recipeOf('steps', 'test: of(hotSteps()), names, slices'));
  expect(found.data).toMatchObject({ source: 'test', examples: 8, labels: ['0', '1', '2'] });
  expect(found.base.quality?.accuracy.value).toBe(6 / 8);
  const classes = found.base.quality?.classes.map(({ examples, accuracy }) => [examples, accuracy?.value]);
  expect(classes).toEqual([
    [2, 1 / 2],
    [3, 2 / 3],
    [3, 1],
  ]);
  const slices = found.base.quality?.slices.map((each) => [each.name, each.examples, each.accuracy?.value]);
  expect(slices).toEqual([
    ['speaker: jack', 4, 3 / 4],
    ['speaker: theo', 4, 3 / 4],
  ]);
  const { quality, versusBase } = found.candidates[0] as (typeof found.candidates)[number];
  expect([quality?.accuracy.value, versusBase?.gap.value]).toEqual([6 / 8, 0]);
  const flipsOf = (flips: NonNullable<typeof versusBase>['negativeFlips'] | undefined) =>
    flips?.examples.map(({ index, name, label }) => [index, name, label]);
  expect(flipsOf(versusBase?.negativeFlips)).toEqual([[0, 'a.wav, step 0', '0']]);
  expect(flipsOf(versusBase?.positiveFlips)).toEqual([[3, 'a.wav, step 3', '1']]);
  expect(found.remarks.join(' ')).toMatch(/Each step of the 2 sequences .* too narrow/);
});

test('measureReport() takes numbers as classes of steps, and datasets whose sequences differ in length', async () => {
  for (const [name, labels] of [
    ['numbers', 'of(numbers())'],
    ['column', 'of(numbers().expandDims(-1))'],
  ] as const) {
    const found = await measure(recipeOf(name, `test: ${labels}`));
    expect(found.base.quality?.accuracy.value).toBe(6 / 8);
  }
  const pieces = `[[0, 4], [1, 3]].map(([i, steps]) => ({
    xs: frames.slice([i, 0, 0], [1, steps, 2]), ys: numbers().slice([i, 0], [1, steps]) }))`;
  const found = await measure(recipeOf('lengths', `names, test: tf.data.array(${pieces})`));
  expect([found.data?.examples, found.base.quality?.accuracy.value]).toEqual([7, 5 / 7]);
  expect(found.candidates[0]?.versusBase?.positiveFlips.examples[0]?.name).toBe('a.wav, step 3');
});

test.each([
  ['labels of examples', 'test: of(tf.tensor1d([0, 1]))', '[examples, steps, 3], [examples, steps] or'],
  ['labels of other classes', 'test: of(tf.zeros([2, 4, 5]))', 'got [2,4,5]'],
  ['no class', 'test: of(tf.zeros([2, 4, 3]))', 'those of example 0 are not'],
  ['other steps', 'test: of(tf.zeros([2, 5]))', 'expected labels for 2 × 4 steps, got 2 × 5'],
  ['a name too many', 'test: of(numbers()), names: [...names, 1 + ""]', 'each of 2 sequences, got 3'],
  ['a slice too short', 'test: of(numbers()), slices: { a: ["b"] }', 'each of 2 sequences, got 1'],
])('measureReport() refuses steps with %s', async (name, returned, words) => {
  const { code, message } = await errorOf(() => measure(recipeOf(name.replaceAll(' ', '-'), returned)));
  expect([code, message]).toEqual(['bad-data', expect.stringContaining(words)]);
});

const LISTED = 'test: of([tf.zeros([2, 4, 2]), hotSteps()])';
const CHOSEN = `export const options = { outputs: ['classes'] };`;

test('measureReport() measures the output that a recipe names, of a LayersModel with several', async () => {
  const same = await shop.exact('same.ndiff', two, two);
  const of = (recipe: string) => measure(recipe, { base: two, payloads: [same] });
  const byName = 'test: of({ classes: hotSteps(), route: tf.zeros([2, 4, 2]) })';
  for (const [name, returned] of [
    ['listed', LISTED],
    ['by-name', byName],
  ] as const) {
    const found = await of(recipeOf(name, returned, CHOSEN));
    expect(found.base.quality?.accuracy.value).toBe(6 / 8);
  }
  for (const [name, exports, words] of [
    ['unnamed', '', 'got 2 outputs; name one as "outputs" in the options of the recipe'],
    ['both', CHOSEN.replace("['", "['route', '"), 'got 2 outputs'],
    ['strange', CHOSEN.replace('classes', 'class'), 'the outputs of the model are "route", "classes"'],
    ['route', CHOSEN.replace('classes', 'route'), 'without a softmax'],
  ] as const) {
    const { code, message } = await errorOf(() => of(recipeOf(name, LISTED, exports)));
    expect([code, message]).toEqual(['bad-data', expect.stringContaining(words)]);
  }
});

test('createRecipeTask() measures the accuracy of the named output of a LayersModel', async () => {
  const recipe = { data: () => ({}) as never, loss: ['meanSquaredError', 'categoricalCrossentropy'] };
  const use = {
    path: 'r.mjs',
    recipe: { ...recipe, metrics: ['accuracy'] },
    options: { outputs: ['classes'] },
  };
  const opened = await openBase({ base: two });
  const task = await createRecipeTask(use, opened).finally(() => opened.store.close());
  const xs = tf.tensor3d([
    [
      [1, 0],
      [0, 1],
    ],
  ]);
  const ys = [
    tf.zeros([1, 2, 2]),
    tf.tensor3d([
      [
        [1, 0, 0],
        [1, 0, 0],
      ],
    ]),
  ];
  const metrics = await task.evaluate({ xs, ys });
  expect(metrics.accuracy).toBe(1 / 2);
  expect(metrics.loss).toBeCloseTo((metrics.route_loss as number) + (metrics.classes_loss as number), 5);
  expect(Object.keys(metrics)).not.toContain('classes_acc');
});
