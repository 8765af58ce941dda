import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { diffModels } from '../../../src/exact-diff/diff-stores.js';
import { measureReport } from '../../../src/report/measure/measure-report.js';
import type { MeasureOptions } from '../../../src/report/measure/options.js';
import { createTask } from '../../../src/train/create-task.js';
import { recipe } from '../../cli/command.js';
import { quantise } from '../../cli/quantise.js';
import { loadPatched, readModel, Workshop } from './fixtures.js';

const shop = new Workshop();
const points = recipe('points');
let base: string;
let next: string;
let payloads: string[];

const RUN = { runtime: `TensorFlow.js ${tf.version_core}, wasm` };

/** Measures without what takes other processes. */
const measure = (options: Partial<MeasureOptions>) =>
  measureReport({ base, payloads, recipe: points, seed: 3, applyRuns: 0, ...options });

/** What TensorFlow.js says of a model on the validation points. */
async function evaluate(path: string, chain: readonly string[] = []): Promise<number> {
  const model = await loadPatched(path, chain);
  model.compile({ optimizer: 'sgd', loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
  const { validation } = (await import(points)).data({ tf, seed: 3 });
  const { accuracy } = await createTask(model).evaluate(validation);
  return accuracy as number;
}

/** The class that a model gives each example, and the right ones. */
async function classesBy(path: string, chain: readonly string[] = []) {
  const model = await loadPatched(path, chain);
  const { validation } = (await import(points)).data({ tf, seed: 3 });
  const found = tf.argMax(model.predict(validation.xs) as tf.Tensor, -1).dataSync();
  return { found: [...found], right: [...tf.argMax(validation.ys, -1).dataSync()] };
}

beforeAll(async () => {
  base = await shop.saveSmall('base');
  next = await shop.saveSmall('next', { seed: 2 });
  payloads = [await shop.train('hash', base), await shop.train('sparse', base)];
  payloads.push(await shop.exact('exact.ndiff', base, next));
  const exact = { kind: 'exact', tensor: 'out/kernel' } as const;
  const [positions, levels] = [Uint32Array.of(0, 4, 50), Int32Array.of(1, -9_000_000, 9_000_000)];
  payloads.push(await shop.pack('nudged.ndiff', base, { ops: [{ ...exact, positions, levels }] }));
});

test('measureReport() agrees with evaluating the patched models, for every kind', async () => {
  const measured = await measure({ next });
  expect(measured.data).toEqual({ ...RUN, source: 'validation', examples: 96, labels: ['0', '1', '2'] });
  expect(measured.base.quality?.accuracy.value).toBeCloseTo(await evaluate(base), 6);
  expect(measured.full?.quality?.accuracy.value).toBeCloseTo(await evaluate(next), 6);
  expect(measured.candidates.map(({ name, kinds }) => [name, ...kinds])).toEqual([
    ['hash', 'hash', 'dense'],
    ['sparse', 'sparse', 'dense'],
    ['exact', 'set'],
    ['nudged', 'exact'],
  ]);
  for (const [i, payload] of payloads.entries()) {
    const { quality, problem } = measured.candidates[i] as (typeof measured.candidates)[number];
    expect([quality?.accuracy.value, problem]).toEqual([
      expect.closeTo(await evaluate(base, [payload]), 6),
      undefined,
    ]);
  }
  const { versusFull, versusBase } = measured.candidates[2] as (typeof measured.candidates)[number];
  expect(versusFull).toMatchObject({ gap: { value: 0 }, agreement: { value: 1 } });
  expect(versusBase?.gap.value).toBeCloseTo((await evaluate(base)) - (await evaluate(next)), 6);
  expect(measured.candidates[2]?.next).toBe(measured.model.next);
  expect(measured.remarks.join(' ')).toMatch(/validation data.*independent/s);
});

test('measureReport() counts the same flips as an example-by-example comparison', async () => {
  const { candidates, full } = await measure({});
  expect(full).toBeUndefined();
  const { right, found: before } = await classesBy(base);
  for (const [i, payload] of payloads.entries()) {
    const { found: after } = await classesBy(base, [payload]);
    const count = (isOne: (i: number) => boolean): number => right.filter((_, i) => isOne(i)).length;
    const { versusBase, quality, versusFull } = candidates[i] as (typeof candidates)[number];
    expect(versusFull).toBeUndefined();
    expect(versusBase?.negativeFlips.count).toBe(
      count((i) => before[i] === right[i] && after[i] !== right[i]),
    );
    expect(versusBase?.positiveFlips.count).toBe(
      count((i) => before[i] !== right[i] && after[i] === right[i]),
    );
    expect(versusBase?.agreement.value).toBeCloseTo(count((i) => before[i] === after[i]) / right.length, 9);
    const flipped = quality?.classes.map(({ negativeFlips = 0 }) => negativeFlips) ?? [];
    expect(flipped.reduce((sum, each) => sum + each, 0)).toBe(versusBase?.negativeFlips.count);
  }
});

test('measureReport() continues from the result of a chain', async () => {
  const [first, other] = payloads as [string, string];
  const second = await shop.train('sparse', base, [first]);
  const { candidates, model, base: before } = await measure({ chain: [first], payloads: [second] });
  expect(before.quality?.accuracy.value).toBeCloseTo(await evaluate(base, [first]), 6);
  expect(candidates[0]?.quality?.accuracy.value).toBeCloseTo(await evaluate(base, [first, second]), 6);
  expect(candidates[0]?.layers.some(({ changed }) => changed > 0)).toBe(true);
  const { candidates: firsts } = await measure({ payloads: [first] });
  expect(model.base).toBe(firsts[0]?.next);
  await expect(measure({ chain: [first], payloads: [other] })).rejects.toMatchObject({ code: 'wrong-base' });
});

test('measureReport() reports a model whose outputs are not numbers', async () => {
  const model = await readModel(base);
  const bias = model.tensors.find(({ name }) => name === 'out/bias');
  new DataView(bias?.bytes.buffer as ArrayBuffer, bias?.bytes.byteOffset).setFloat32(0, Number.NaN, true);
  const broken = await shop.exact('broken.ndiff', base, model);
  const { candidates } = await measure({ payloads: [broken, payloads[0] as string] });
  const [bad, good] = candidates;
  expect(bad?.problem).toBe('gives outputs that are not numbers for 96 of 96 examples');
  expect([bad?.quality, bad?.versusBase]).toEqual([undefined, undefined]);
  expect(good?.quality).toBeDefined();
  const { changed } = bad?.layers.find(({ tensor }) => tensor === 'out/bias') ?? {};
  expect(changed).toBe(1);
  const repair = shop.write('repair.ndiff', (await diffModels(model, await readModel(base))).payload);
  const after = await measure({ chain: [broken], payloads: [repair] });
  expect(after.base).toEqual({ problem: bad?.problem });
  expect(after.candidates[0]?.quality?.classes[0]).not.toHaveProperty('negativeFlips');
  expect(after.candidates[0]?.versusBase).toBeUndefined();
});

test.each(['uint8', 'float16'] as const)(
  'measureReport() measures a base quantised to %s, and its updates, as stored',
  async (dtype) => {
    const stored = shop.at(dtype);
    quantise(base, stored, dtype);
    const payload = await shop.train('sparse', stored);
    const { base: before, candidates, model } = await measure({ base: stored, payloads: [payload] });
    expect(before.quality?.accuracy.value).toBeCloseTo(await evaluate(stored), 6);
    expect(candidates[0]?.quality?.accuracy.value).toBeCloseTo(await evaluate(stored, [payload]), 6);
    expect(model.bytes).toBeLessThan(model.float32Bytes);
    const kernel = candidates[0]?.layers.find(({ tensor }) => tensor === 'hidden/kernel');
    const plain = (await measure({})).candidates[0]?.layers.find(({ tensor }) => tensor === 'hidden/kernel');
    expect([kernel?.dtype, plain?.dtype]).toEqual([dtype, 'float32']);
    expect(kernel?.magnitude).toBeCloseTo(plain?.magnitude as number, 2);
  },
);

test('measureReport() measures on test data, with labels, names and slices of the recipe', async () => {
  const path = shop.recipe(
    'described',
    `const names = classes.map((c, i) => 'clip-' + i);
     const slices = { speaker: classes.map((c, i) => (i < 4 ? 'theo' : 'jackson')) };
     return { train, test: { xs, ys: hot() }, validation: train, labels: ['yes', 'no', 'stop'], names, slices };`,
  );
  const { data, base: found, remarks } = await measure({ recipe: path });
  expect(data).toEqual({ ...RUN, source: 'test', examples: 12, labels: ['yes', 'no', 'stop'] });
  expect(found.quality?.classes.map(({ name, examples }) => [name, examples])).toEqual([
    ['yes', 5],
    ['no', 4],
    ['stop', 3],
  ]);
  expect(found.quality?.slices.map(({ examples }) => examples).sort()).toEqual([4, 8]);
  expect(remarks.join(' ')).not.toContain('validation');
});

/** Compares numbers to five decimals: the backend may sum in another order for fewer examples. */
function expectClose(found: unknown, expected: unknown): void {
  if (typeof expected === 'number') expect(found).toBeCloseTo(expected, 5);
  else if (typeof expected === 'object' && expected !== null) {
    expect(Object.keys(found as object)).toEqual(Object.keys(expected));
    for (const [key, each] of Object.entries(expected))
      expectClose((found as Record<string, unknown>)[key], each);
  } else expect(found).toEqual(expected);
}

test.each([
  ['numbers of classes', `return { train, test: { xs, ys: tf.tensor1d(classes, 'int32') } };`],
  ['numbers of classes in a column', `return { train, test: { xs, ys: tf.tensor2d(classes, [12, 1]) } };`],
  [
    'a dataset in batches of 5',
    `const sets = { xs: tf.data.array(await xs.array()), ys: tf.data.array(await hot().array()) };
     return { train, test: tf.data.zip(sets).batch(5) };`,
  ],
])('measureReport() takes %s for the same as one-hot arrays', async (name, body) => {
  const hot = shop.recipe('hot', 'return { train, test: { xs, ys: hot() } };');
  const same = shop.recipe(name.replaceAll(' ', '-'), body);
  const [expected, found] = [await measure({ recipe: hot }), await measure({ recipe: same })];
  expectClose(found.base, expected.base);
  expectClose(found.candidates, expected.candidates);
});

test('measureReport() treats a single sigmoid as two classes', async () => {
  const binary = await shop.saveSmall('binary', { units: 1, activation: 'sigmoid' });
  const payload = await shop.exact(
    'binary.ndiff',
    binary,
    await shop.saveSmall('binary-next', { units: 1, activation: 'sigmoid', seed: 4 }),
  );
  const path = shop.recipe(
    'halves',
    `const ys = tf.tensor2d(classes.map((c) => Math.min(c, 1)), [12, 1]);
     return { train, test: { xs, ys }, labels: ['off', 'on'] };`,
  );
  const measured = await measure({ base: binary, payloads: [payload], recipe: path });
  expect(measured.data?.labels).toEqual(['off', 'on']);
  for (const [chain, found] of [
    [[], measured.base],
    [[payload], measured.candidates[0]],
  ] as const) {
    const model = await loadPatched(binary, chain);
    model.compile({ optimizer: 'sgd', loss: 'binaryCrossentropy', metrics: ['accuracy'] });
    const { test: set } = await (await import(path)).data({ tf });
    const { accuracy } = await createTask(model).evaluate(set);
    expect(found?.quality?.accuracy.value).toBeCloseTo(accuracy as number, 6);
  }
});

test('measureReport() accepts logits if the recipe declares them', async () => {
  const linear = await shop.saveSmall('linear', { activation: 'linear' });
  const softmax = await readModel(base);
  const payload = await shop.exact('linear.ndiff', linear, await readModel(next));
  expect((await readModel(linear)).tensors).toEqual(softmax.tensors);
  const body = 'return { train, test: { xs, ys: hot() } };';
  const logits = shop.recipe('logits', body, `export const options = { outputKind: 'logits' };`);
  const plain = shop.recipe('plain', body);
  const found = await measure({ base: linear, payloads: [payload], recipe: logits });
  const expected = await measure({ payloads: [payloads[2] as string], recipe: plain });
  expect(found.candidates[0]?.quality?.accuracy).toEqual(expected.candidates[0]?.quality?.accuracy);
  expect(found.base.quality?.accuracy).toEqual(expected.base.quality?.accuracy);
});

test.each(['wasm', 'cpu'] as const)('measureReport() leaks no tensors on the %s backend', async (backend) => {
  const path = shop.recipe('tidy', 'return { train, validation: { xs: xs.clone(), ys: hot() } };');
  await measure({ recipe: path, backend, next });
  const before = tf.memory();
  await measure({ recipe: path, backend, next });
  const stop = new AbortController();
  const onProgress = ({ phase: doing }: { phase: string }): void => {
    if (doing.startsWith('predicting with "sparse": ')) stop.abort(new Error('enough'));
  };
  const aborted = measure({ recipe: path, backend, onProgress, signal: stop.signal });
  await expect(aborted).rejects.toThrow('enough');
  const { numTensors, numDataBuffers } = tf.memory();
  expect({ numTensors, numDataBuffers }).toEqual({
    numTensors: before.numTensors,
    numDataBuffers: before.numDataBuffers,
  });
});
