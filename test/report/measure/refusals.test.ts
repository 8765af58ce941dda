import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, test } from 'vitest';
import { measureReport } from '../../../src/report/measure/measure-report.js';
import { namePayloads } from '../../../src/report/measure/open-payloads.js';
import type { MeasureOptions } from '../../../src/report/measure/options.js';
import { readProbabilities } from '../../../src/report/measure/predict.js';
import { classOutputsOf } from '../../../src/report/measure/truth.js';
import { useBackend } from '../../../src/tfjs/backend.js';
import { recipe } from '../../cli/command.js';
import { writeSafetensors } from '../../containers/write-safetensors.js';
import { errorOf } from '../../support.js';
import { readModel, Workshop } from './fixtures.js';

const shop = new Workshop();
let base: string;
let other: string;
let payload: string;

/** Expects a refusal before anything but the models, payloads and examples has been looked at. */
async function expectRefusal(options: Partial<MeasureOptions>, code: string, words: string): Promise<void> {
  const doings: string[] = [];
  const onProgress = ({ phase: doing }: { phase: string }): void => void doings.push(doing);
  const { message, code: found } = await errorOf(() =>
    measureReport({ base, payloads: [payload], applyRuns: 0, onProgress, ...options }),
  );
  expect([found, message]).toEqual([code, expect.stringContaining(words)]);
  expect(doings.filter((doing) => !/^(reading|checking|loading)/.test(doing))).toEqual([]);
}

beforeAll(async () => {
  base = await shop.saveSmall('base');
  other = await shop.saveSmall('other', { seed: 9 });
  payload = await shop.exact('update.ndiff', base, other);
});

test('measureReport() refuses payloads and models that do not fit', async () => {
  const strange = await shop.saveSmall('strange', { units: 4 });
  const third = await shop.saveSmall('third', { seed: 30 });
  await expectRefusal({ base: third }, 'wrong-base', 'Cannot measure payload "update"');
  await expectRefusal({ base: other }, 'wrong-base', 'the base already is its result');
  await expectRefusal({ base: strange }, 'wrong-layout', 'Cannot measure payload "update"');
  await expectRefusal({ next: strange }, 'wrong-layout', 'out/kernel');
  await expectRefusal({ chain: [payload] }, 'wrong-base', 'already is its result');
  const back = await shop.exact('back.ndiff', other, base);
  await expectRefusal({ chain: [payload, payload] }, 'broken-chain', '');
  await expectRefusal({ chain: [back] }, 'wrong-base', 'is for');
  await expectRefusal({ payloads: [payload, shop.at('nothing')] }, 'file-not-found', 'nothing');
  await expectRefusal({ payloads: [shop.write('text.ndiff', 'text')] }, 'not-a-payload', 'ndiff');
  await expectRefusal({ base: shop.at('nowhere') }, 'file-not-found', 'nowhere');
  const same = await shop.exact('same.ndiff', base, base);
  const { candidates } = await measureReport({ base, payloads: [same], applyRuns: 0 });
  expect(candidates[0]?.layers.every(({ changed, bytes }) => changed + bytes === 0)).toBe(true);
});

test('measureReport() refuses payloads of files that do not fit', async () => {
  const wide = await shop.saveSmall('wide', { units: 4 });
  const files = await shop.files('files.ndiff', other, wide);
  await expectRefusal({ payloads: [files] }, 'wrong-base', 'Cannot measure payload "files"');
  await expectRefusal({ base: wide, payloads: [files] }, 'wrong-base', 'the base already is its result');
  const onward = await shop.files('onward.ndiff', base, wide);
  await expectRefusal({ chain: [onward] }, 'needs-copy', 'makes new files');
});

test('measureReport() refuses models without classes to measure accuracy with', async () => {
  const points = recipe('points');
  const file = shop.write('model.safetensors', writeSafetensors(await readModel(base)));
  const empty = await shop.exact('empty.ndiff', file, file);
  await expectRefusal({ base: file, payloads: [empty], recipe: points }, 'unsupported-model', 'no graph');
  await useBackend('cpu');
  const input = tf.input({ shape: [2] });
  const head = (name: string) => tf.layers.dense({ units: 3, name, activation: 'softmax' }).apply(input);
  const outputs = [head('left'), head('right')] as tf.SymbolicTensor[];
  const two = await shop.saveModel('two', tf.model({ inputs: input, outputs }));
  const one = await shop.saveSmall('one', { units: 1, activation: 'linear' });
  const linear = await shop.saveSmall('linear', { activation: 'linear' });
  for (const [path, words] of [
    [two, 'got 2 outputs'],
    [one, 'got one of shape [examples, 1] without a sigmoid'],
    [linear, 'without a softmax; for logits set "outputKind"'],
  ] as const) {
    const nothing = await shop.exact('nothing.ndiff', path, path);
    const expected = 'expected one output with class probabilities or logits';
    await expectRefusal({ base: path, payloads: [nothing], recipe: points }, 'bad-data', expected);
    await expectRefusal({ base: path, payloads: [nothing], recipe: points }, 'bad-data', words);
  }
});

test.each([
  ['no test and no validation', 'return { train };', 'got neither'],
  ['no labels', 'return { train, test: { xs } };', 'expected { xs, ys } or a batched dataset'],
  [
    'two slices of one name',
    `const of = (value) => Array(12).fill(value);
     return { train, test: train, slices: { a: of('b: c'), 'a: b': of('c') } };`,
    'expected slices of different names, got two that are "a: b: c"',
  ],
  ['no examples', 'return { train, test: { xs: tf.zeros([0, 2]), ys: tf.zeros([0, 3]) } };', 'got none'],
  [
    'an empty dataset',
    'return { train, test: tf.data.array([{ xs, ys: hot() }]).take(0) };',
    'expected examples, got none',
  ],
  [
    'an endless dataset',
    'return { train, test: tf.data.array([{ xs, ys: hot() }]).repeat() };',
    'the dataset is infinite',
  ],
  ['too few labels', `return { train, test: train, labels: ['a', 'b'] };`, 'expected 3 labels'],
  ['a label twice', `return { train, test: train, labels: ['a', 'b', 'a'] };`, 'differ from each other'],
  [
    'a class that is not there',
    `classes[5] = 3; return { train, test: { xs, ys: tf.tensor1d(classes, 'int32') } };`,
    'expected classes from 0 to 2 as labels, got 3 for example 5',
  ],
  [
    'half a class',
    'classes[7] = 0.5; return { train, test: { xs, ys: tf.tensor1d(classes) } };',
    'got 0.5 for example 7',
  ],
  [
    'a class that is not a number',
    'classes[1] = NaN; return { train, test: { xs, ys: tf.tensor1d(classes) } };',
    'the label of example 1 is not a number',
  ],
  [
    'a row with NaN',
    'return { train, test: { xs, ys: hot().div(hot()) } };',
    'the label of example 0 is not a number',
  ],
  [
    'soft labels',
    'return { train, test: { xs, ys: hot().mul(0.9) } };',
    'expected one-hot labels, one 1 among zeros; those of example 0 are not',
  ],
  ['several classes at once', 'return { train, test: { xs, ys: tf.ones([12, 3]) } };', 'one-hot'],
  ['no class', 'return { train, test: { xs, ys: tf.zeros([12, 3]) } };', 'one-hot'],
  [
    'labels of other classes',
    'return { train, test: { xs, ys: tf.zeros([12, 4]) } };',
    'expected labels of shape [examples, 3], [examples] or [examples, 1], got [12,4]',
  ],
  [
    'labels of too many dimensions',
    'return { train, test: { xs, ys: tf.zeros([12, 3, 1]) } };',
    'got [12,3,1]',
  ],
  [
    'too few names',
    `return { train, test: train, names: ['a'] };`,
    'expected a name for each of 12 examples, got 1',
  ],
  [
    'too few values of a slice',
    `return { train, test: train, slices: { speaker: ['theo', 'theo'] } };`,
    'expected a value of slice "speaker" for each of 12 examples, got 2',
  ],
  ['more labels than examples', 'return { train, test: { xs, ys: tf.zeros([11, 3]) } };', 'equally many'],
  ['inputs of another shape', 'return { train, test: { xs: tf.zeros([12, 5]), ys: hot() } };', 'shape'],
  [
    'a dataset with inputs of another shape',
    'return { train, test: tf.data.array([{ xs: tf.zeros([12, 5]), ys: hot() }]) };',
    'shape',
  ],
])('measureReport() refuses examples with %s', async (name, body, words) => {
  const path = shop.recipe(name.replaceAll(' ', '-'), body);
  await expectRefusal({ recipe: path }, 'bad-data', words);
});

test.each([
  ['test', '7'],
  ['labels', '[1, 2, 3]'],
  ['names', '"abc"'],
  ['slices', '["theo"]'],
  ['slices', '{ speaker: [1] }'],
])('measureReport() refuses recipes whose %s is %s', async (field, value) => {
  const path = shop.recipe(`wrong-${field}-${value.length}`, `return { train, ${field}: ${value} };`);
  await expectRefusal({ recipe: path }, 'recipe-invalid', `as "${field}"`);
});

test('measureReport() refuses a dataset that does not repeat its examples', async () => {
  const path = shop.recipe(
    'shuffled',
    `let turn = 0;
     const turned = () => tf.tidy(() => tf.oneHot(tf.tensor1d(classes.map((c) => (c + turn) % 3), 'int32'), 3));
     const items = function* () { yield { xs: xs.clone(), ys: turned() }; turn++; };
     return { train, test: tf.data.generator(items) };`,
  );
  const { code, message } = await errorOf(() =>
    measureReport({ base, payloads: [payload], recipe: path, applyRuns: 0 }),
  );
  expect([code, message]).toEqual(['bad-data', expect.stringContaining('do not shuffle')]);
});

test('measureReport() refuses invalid options', async () => {
  await expect(measureReport({ base, payloads: [] })).rejects.toThrow(RangeError);
  for (const applyRuns of [-1, 0.5, Number.NaN])
    await expect(measureReport({ base, payloads: [payload], applyRuns })).rejects.toThrow(RangeError);
  const seeded = { base, payloads: [payload], recipe: recipe('points'), seed: -1 };
  await expect(measureReport(seeded)).rejects.toThrow(RangeError);
  await expect(measureReport({ base, payloads: [payload, payload] })).rejects.toThrow('twice');
});

test('namePayloads() adds folders to names only if needed', () => {
  const namesOf = (...payloads: Parameters<typeof namePayloads>[0]): string[] =>
    namePayloads(payloads).map(({ name }) => name);
  expect(namesOf('out/hash.ndiff', 'other/sparse.bin')).toEqual(['hash', 'sparse.bin']);
  expect(namesOf('a/v2.ndiff', 'b/v2.ndiff', 'b/v3.ndiff')).toEqual(['a/v2', 'b/v2', 'v3']);
  expect(namesOf('a/x/v2.ndiff', 'b/x/v2.ndiff')).toEqual(['a/x/v2', 'b/x/v2']);
  expect(namesOf({ name: 'small', path: 'a/v2.ndiff' }, 'b/v2.ndiff')).toEqual(['small', 'v2']);
  const twice = [{ name: 'v2', path: 'a' }, 'b/v2.ndiff'];
  for (const payloads of [twice, ['/v2.ndiff', '/v2']])
    expect(() => namePayloads(payloads)).toThrow('got this one twice');
});

test('classOutputsOf() knows probabilities, logits and a sigmoid', () => {
  const first = { place: 0, hasSteps: false };
  const of = (size: number | null, kind: 'probabilities' | 'logits' | 'values', activation?: string) =>
    classOutputsOf({ outputShapes: [[null, size]], outputKinds: [kind], activations: [activation] });
  expect(of(4, 'probabilities')).toEqual({ ...first, classes: 4, isBinary: false, areLogits: false });
  expect(of(4, 'logits')).toEqual({ ...first, classes: 4, isBinary: false, areLogits: true });
  expect(of(1, 'values', 'sigmoid')).toEqual({ ...first, classes: 2, isBinary: true, areLogits: false });
  expect(of(1, 'logits', 'linear')).toEqual({ ...first, classes: 2, isBinary: true, areLogits: true });
  expect(() => of(4, 'values', 'sigmoid')).toThrow('without a softmax');
  expect(() => of(null, 'logits')).toThrow('got one of shape [examples, examples]');
});

test('readProbabilities() converts all kinds of outputs to probabilities, and reports invalid ones', () => {
  const read = (row: number[], isBinary: boolean, areLogits: boolean) => {
    const target = new Float32Array(isBinary ? 2 : row.length);
    const outputs = { classes: target.length, isBinary, areLogits };
    return [readProbabilities(row, outputs, target), [...target].map((value) => Math.fround(value))];
  };
  expect(read([0.25, 0.75], false, false)).toEqual([undefined, [0.25, 0.75]]);
  expect(read([1000, 1000], false, true)).toEqual([undefined, [0.5, 0.5]]);
  expect(read([0.25], true, false)).toEqual([undefined, [0.75, 0.25]]);
  expect(read([0], true, true)).toEqual([undefined, [0.5, 0.5]]);
  expect(read([-1000], true, true)).toEqual([undefined, [1, 0]]);
  expect(read([1.000001, 0], false, false)).toEqual([undefined, [1, 0]]);
  expect(read([Number.NaN, 1], false, false)[0]).toBe('not numbers');
  expect(read([Number.POSITIVE_INFINITY, 1], false, true)[0]).toBe('not numbers');
  expect(read([0.9, 0.9], false, false)[0]).toBe('not probabilities');
  expect(read([1.5, -0.5], false, false)[0]).toBe('not probabilities');
});
