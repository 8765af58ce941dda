import { expect, test } from 'vitest';
import { importAdapter } from '../../../src/exact-diff/adapter/import-adapter.js';
import { openMemoryStore } from '../../../src/model/store.js';
import type { Tensor } from '../../../src/model/tensor.js';
import { codeOf, errorOf, seededTensor } from '../../support.js';
import { CONFIG, normal, peftPair, tensorOf } from './sample-adapter.js';

const base = { tensors: [normal('layer.weight', 'float32', { shape: [24, 40], seed: 1 })] };
const pair = peftPair('layer', { rank: 4, inputs: [40], outputs: 24 });
const [a, b] = pair;
const other = peftPair('other', { rank: 4, inputs: [40], outputs: 24 });

const run = (adapter: readonly Tensor[], config: unknown = CONFIG, model = base) =>
  importAdapter(openMemoryStore({ tensors: adapter }), openMemoryStore(model), { config });

test.each<[string, object]>([
  ['DoRA', { use_dora: true }],
  ['QA-LoRA', { use_qalora: true }],
  ['a bias of lora_B', { lora_bias: true }],
  ['replicated layers', { layer_replication: [[0, 2]] }],
  ['trainable tokens', { trainable_token_indices: { embed: [1] } }],
  ['adapters of type IA3', { peft_type: 'IA3' }],
  ['init_lora_weights "pissa_niter_16"', { init_lora_weights: 'pissa_niter_16' }],
])('importAdapter() refuses %s by its name', async (name, settings) => {
  const error = await errorOf(() => run(pair, { ...CONFIG, ...settings }));
  expect(error.code).toBe('unsupported-model');
  expect(error.message).toContain(name);
});

test('importAdapter() refuses patterns of names that are no names', async () => {
  expect(await codeOf(() => run(pair, { ...CONFIG, alpha_pattern: { '(a+)+': 2 } }))).toBe(
    'unsupported-model',
  );
});

test.each<[string, unknown]>([
  ['without a rank factor', { peft_type: 'LORA' }],
  ['that is a list', [CONFIG]],
  ['whose alpha is a text', { ...CONFIG, lora_alpha: '8' }],
  ['whose pattern is a number', { ...CONFIG, alpha_pattern: 5 }],
  ['whose alphas are texts', { ...CONFIG, alpha_pattern: { layer: '5' } }],
])('importAdapter() refuses a configuration %s', async (_, config) => {
  expect(await codeOf(() => run(pair, config))).toBe('bad-model');
});

test.each<[string, string, Tensor[]]>([
  ['tensors of DoRA', 'unsupported-model', [...pair, { ...b, name: 'layer.lora_magnitude_vector' }]],
  ['half a pair', 'bad-model', [a]],
  ['no pair', 'bad-model', [normal('layer.weight', 'float32', { shape: [2], seed: 1 })]],
  [
    'two pairs for one tensor',
    'bad-model',
    [...pair, ...peftPair('layer.weight', { rank: 4, inputs: [40], outputs: 24 })],
  ],
  [
    'values that are not numbers',
    'bad-model',
    [a, tensorOf(b.name, 'float32', { shape: b.shape, values: new Array(96).fill(Number.NaN) })],
  ],
  [
    'values that are too large',
    'bad-model',
    [a, tensorOf(b.name, 'float32', { shape: b.shape, values: new Array(96).fill(1e38) })],
  ],
  ['integers', 'unsupported-model', [a, seededTensor(b.name, 'int8', b.shape)]],
  ['a rank of 0', 'wrong-layout', peftPair('layer', { rank: 0, inputs: [40], outputs: 24 })],
  ['another number of inputs', 'wrong-layout', peftPair('layer', { rank: 4, inputs: [41], outputs: 24 })],
  ['another number of outputs', 'wrong-layout', peftPair('layer', { rank: 4, inputs: [40], outputs: 25 })],
  ['the shape of the base turned', 'wrong-layout', peftPair('layer', { rank: 4, inputs: [24], outputs: 40 })],
  [
    'a replacement of another shape',
    'wrong-layout',
    [...pair, normal('layer.weight', 'float32', { shape: [25, 40], seed: 1 })],
  ],
  [
    'a replacement of another kind',
    'wrong-layout',
    [...pair, seededTensor('layer.weight', 'int8', [24, 40])],
  ],
])('importAdapter() refuses %s', async (_, code, adapter) => {
  expect(await codeOf(() => run(adapter))).toBe(code);
});

test('importAdapter() refuses a PEFT adapter without its configuration', async () => {
  const call = () => importAdapter(openMemoryStore({ tensors: pair }), openMemoryStore(base));
  expect(await codeOf(call)).toBe('bad-model');
});

test('importAdapter() lists all modules that the base does not have', async () => {
  const third = peftPair('third', { rank: 4, inputs: [40], outputs: 24 });
  const error = await errorOf(() => run([...pair, ...other, ...third]));
  expect(error.code).toBe('wrong-layout');
  expect(error.message).toContain('2 of its 3 modules');
  expect(error.message).toContain('"other": no tensor, "third": no tensor');
});

test('importAdapter() refuses a quantised base', async () => {
  const model = { tensors: [seededTensor('layer.weight', 'uint8', [24, 20])] };
  const error = await errorOf(() => run(pair, CONFIG, model));
  expect(error.code).toBe('unsupported-model');
  expect(error.message).toContain('quantised');
});

test.each([
  { bits: 3 },
  { bits: 17 },
  { bits: 8.5 },
  { maxError: 0 },
  { maxError: 1 },
  { bits: 8, maxError: 0.1 },
])('importAdapter() refuses the options %j', async (options) => {
  const call = () =>
    importAdapter(openMemoryStore({ tensors: pair }), openMemoryStore(base), { config: CONFIG, ...options });
  await expect(call()).rejects.toThrow(RangeError);
});

test('importAdapter() stops with the reason of its signal', async () => {
  const signal = AbortSignal.abort(new Error('enough'));
  const call = () =>
    importAdapter(openMemoryStore({ tensors: pair }), openMemoryStore(base), { config: CONFIG, signal });
  await expect(call()).rejects.toThrow('enough');
});
