import { describe, expect, test } from 'vitest';
import { applyPayload } from '../../../src/apply/apply-payload.js';
import { createPatcher } from '../../../src/apply/fast/create-patcher.js';
import { reversePayload } from '../../../src/chain/reverse-payload.js';
import { type ImportOptions, importAdapter } from '../../../src/exact-diff/adapter/import-adapter.js';
import { openMemoryStore } from '../../../src/model/store.js';
import type { Model, Tensor } from '../../../src/model/tensor.js';
import { openPayload } from '../../../src/payload/open-payload.js';
import { cloneModel, expectSameModel } from '../../support.js';
import {
  CONFIG,
  type FloatDType,
  find,
  normal,
  numbersOf,
  peftPair,
  productOf,
  rms,
  tensorOf,
  transpose,
} from './sample-adapter.js';

/** Imports an adapter and applies it in place. */
async function merge(base: Model, adapter: readonly Tensor[], options: ImportOptions = { config: CONFIG }) {
  const store = openMemoryStore({ tensors: adapter });
  const imported = await importAdapter(store, openMemoryStore(base), options);
  const merged = cloneModel(base);
  const { fingerprint } = await applyPayload(openMemoryStore(merged), imported.payload);
  expect(fingerprint).toBe(imported.next);
  return { ...imported, merged };
}

/** Expects a tensor to have changed by numbers, to within a share of them. */
function expectChange(
  base: Model,
  merged: Model,
  {
    name,
    change,
    within,
  }: {
    name: string;
    change: readonly number[];
    within: number;
  },
): void {
  const [from, to] = [numbersOf(find(base, name)), numbersOf(find(merged, name))];
  expect(rms(change)).toBeGreaterThan(0);
  expect(
    rms(
      to.map((value, i) => value - (from[i] as number)),
      change,
    ) / rms(change),
  ).toBeLessThan(within);
}

const matrix = (dtype: FloatDType = 'float32'): Model => ({
  tensors: [
    normal('layer.weight', dtype, { shape: [24, 40], seed: 1 }),
    normal('layer.bias', dtype, { shape: [24], seed: 2 }),
    normal('norm.weight', dtype, { shape: [40], seed: 3 }),
  ],
});
const size = { rank: 4, inputs: [40], outputs: 24 };

describe.each(['float32', 'float16', 'bfloat16'] as const)('importAdapter() with a base of %s', (dtype) => {
  const [a, b] = peftPair('layer', size);

  test('gives the sum of base and product, and its reverse every bit of the base', async () => {
    const base = matrix(dtype);
    const { merged, payload, tensors, base: from } = await merge(base, [a, b]);
    const change = productOf(a, b, 2);
    // What rounding to the dtype does to weights of about 1, half as much again, and the levels.
    const rounding = { float32: 1e-6, float16: 3e-4, bfloat16: 3e-3 }[dtype] / rms(change);
    expectChange(base, merged, { name: 'layer.weight', change, within: rounding + 1e-4 });
    expect(merged.tensors.slice(1)).toEqual(base.tensors.slice(1));
    expect((await openPayload(payload)).records.map(({ kind }) => kind)).toEqual(['low-rank']);
    expect(tensors).toMatchObject([{ tensor: 'layer.weight', rank: 4 }]);
    const back = await reversePayload(payload, base);
    expect(back.next).toBe(from);
    await applyPayload(openMemoryStore(merged), back.payload, { patcher: createPatcher() });
    expectSameModel(merged, base);
  });

  test('states how far the result is from the sum, as measured on the result', async () => {
    const base = matrix(dtype);
    const { merged, tensors } = await merge(base, [a, b]);
    const [found] = tensors;
    const [from, to] = [base, merged].map((model) => numbersOf(find(model, 'layer.weight'))) as [
      number[],
      number[],
    ];
    const change = productOf(a, b, 2);
    const exact = change.map((value, i) => value + (from[i] as number));
    const rounded = numbersOf(tensorOf('', dtype, { shape: [24, 40], values: exact }));
    const apart = to.map((value, i) => Math.abs(value - (rounded[i] as number)));
    expect(found?.error).toBeCloseTo(rms(to, exact) / rms(change), 10);
    expect(found?.rounding).toBeCloseTo(rms(rounded, exact) / rms(change), 10);
    expect(found?.maxDifference).toBe(Math.max(...apart));
    expect(found?.differing).toBe(apart.filter((each) => each > 0).length / apart.length);
    expect(found?.error).toBeLessThan(1.2 * (found?.rounding ?? 0) + 2e-4);
  });
});

describe('importAdapter() scales the product', () => {
  const [a, b] = peftPair('layer', size);
  const renamed = (tensor: Tensor, name: string): Tensor => ({ ...tensor, name });
  const kohya = [
    renamed(a, 'lora_unet_layer.lora_down.weight'),
    renamed(b, 'lora_unet_layer.lora_up.weight'),
  ];
  const alpha = tensorOf('lora_unet_layer.alpha', 'float16', { shape: [], values: [6] });
  const turned = (tensor: Tensor, name: string, [rows, columns]: [number, number]): Tensor =>
    tensorOf(name, 'float32', { shape: [columns, rows], values: transpose(numbersOf(tensor), columns) });
  const mlx = [turned(a, 'layer.lora_a', [4, 40]), turned(b, 'layer.lora_b', [24, 4])];

  test.each<[string, Tensor[], unknown, number]>([
    ['by alpha over rank', [a, b], CONFIG, 2],
    ['by alpha over the root of the rank, rank-stabilised', [a, b], { ...CONFIG, use_rslora: true }, 4],
    ['by the alpha of the module', [a, b], { ...CONFIG, alpha_pattern: { other: 1, layer: 12 } }, 3],
    ['by the rank that the module has', [a, b], { ...CONFIG, r: 16, rank_pattern: { layer: 4 } }, 2],
    ['by the alpha in the file', [...kohya, alpha], undefined, 1.5],
    ['by 1 without an alpha', kohya, undefined, 1],
    ['by the scale of mlx', mlx, { fine_tune_type: 'lora', lora_parameters: { rank: 4, scale: 2.5 } }, 2.5],
  ])('%s', async (_, adapter, config, scale) => {
    const base = matrix();
    const { merged } = await merge(base, adapter, { config });
    expectChange(base, merged, { name: 'layer.weight', change: productOf(a, b, scale), within: 1e-4 });
  });
});

describe('importAdapter() takes', () => {
  test('weights of inputs × outputs, as Conv1D has them', async () => {
    const base: Model = { tensors: [normal('c_attn.weight', 'float32', { shape: [8, 24], seed: 1 })] };
    const [a, b] = peftPair('c_attn', { rank: 4, inputs: [8], outputs: 24 });
    const { merged } = await merge(base, [a, b], { config: { ...CONFIG, fan_in_fan_out: true } });
    const change = transpose(productOf(a, b, 2), 8);
    expectChange(base, merged, { name: 'c_attn.weight', change, within: 1e-4 });
  });

  test('embeddings', async () => {
    const base: Model = { tensors: [normal('tokens.weight', 'float32', { shape: [30, 12], seed: 1 })] };
    const a = normal('base_model.model.tokens.lora_embedding_A', 'float32', { shape: [4, 30], seed: 2 });
    const b = normal('base_model.model.tokens.lora_embedding_B', 'float32', { shape: [12, 4], seed: 3 });
    // PEFT stores the base's embedding too.
    const same = { ...find(base, 'tokens.weight'), name: 'base_model.model.tokens.base_layer.weight' };
    const { merged, payload } = await merge(base, [a, b, same]);
    const change = transpose(productOf(a, b, 2), 30);
    expectChange(base, merged, { name: 'tokens.weight', change, within: 1e-4 });
    expect((await openPayload(payload)).records).toHaveLength(1);
  });

  test.each([
    ['convolutions', [16, 6, 3, 3], [6, 3, 3]],
    ['convolutions of 1 × 1', [16, 6, 1, 1], [6, 1, 1]],
    ['convolutions of 1 × 1 that are matrices in the base', [16, 6], [6, 1, 1]],
  ])('%s', async (_, shape, inputs) => {
    const base: Model = { tensors: [normal('conv.weight', 'float32', { shape, seed: 1 })] };
    const [a, b] = peftPair('conv', { rank: 4, inputs, outputs: 16 });
    const { merged } = await merge(base, [a, b]);
    expectChange(base, merged, { name: 'conv.weight', change: productOf(a, b, 2), within: 1e-4 });
  });

  test.each([
    ['rows', 3, 20],
    ['columns', 20, 3],
  ])('ranks above the %s of a matrix', async (_, outputs, inputs) => {
    const base: Model = {
      tensors: [normal('head.weight', 'float32', { shape: [outputs, inputs], seed: 1 })],
    };
    const [a, b] = peftPair('head', { rank: 8, inputs: [inputs], outputs });
    const { merged } = await merge(base, [a, b], { config: { ...CONFIG, lora_alpha: 16 } });
    expectChange(base, merged, { name: 'head.weight', change: productOf(a, b, 2), within: 1e-4 });
  });

  test('products that are 0, which change nothing', async () => {
    const base = matrix();
    const [a, b] = peftPair('layer', size);
    const { merged, tensors } = await merge(base, [a, { ...b, bytes: new Uint8Array(b.bytes.length) }]);
    expectSameModel(merged, base);
    expect(tensors).toMatchObject([{ error: 0, differing: 0 }]);
  });

  test('tensors that replace those of the base, cast to its dtype', async () => {
    const base = matrix('bfloat16');
    const bias = normal('base_model.model.layer.bias', 'float32', { shape: [24], seed: 9 });
    const norm = normal('base_model.model.norm.modules_to_save.weight', 'bfloat16', { shape: [40], seed: 8 });
    const { merged, replaced } = await merge(base, [...peftPair('layer', size), bias, norm]);
    const rounded = tensorOf('', 'bfloat16', { shape: [24], values: numbersOf(bias) });
    expect(find(merged, 'layer.bias').bytes).toEqual(rounded.bytes);
    expect(find(merged, 'norm.weight').bytes).toEqual(norm.bytes);
    expect(replaced).toEqual(['layer.bias', 'norm.weight']);
  });

  test.each([
    ['that the base names without its first component', 'model.layer', 'layer.weight'],
    ['that the base names with a prefix', 'layer', 'bert.encoder.layer.weight'],
    ['that are tensors themselves', 'layer', 'layer'],
  ])('modules %s', async (_, module, name) => {
    const base: Model = { tensors: [normal(name, 'float32', { shape: [24, 40], seed: 1 })] };
    const [a, b] = peftPair(module, size);
    const { merged } = await merge(base, [a, b]);
    expectChange(base, merged, { name, change: productOf(a, b, 2), within: 1e-4 });
  });

  test('names of kohya-ss, with _ in place of points', async () => {
    const base: Model = { tensors: [normal('down.0.to_q.weight', 'float32', { shape: [24, 40], seed: 1 })] };
    const [a, b] = peftPair('x', size);
    const pair = [
      { ...a, name: 'lora_unet_down_0_to_q.lora_down.weight' },
      { ...b, name: 'lora_unet_down_0_to_q.lora_up.weight' },
    ];
    const { merged } = await merge(base, pair, {});
    expectChange(base, merged, { name: 'down.0.to_q.weight', change: productOf(a, b, 1), within: 1e-4 });
  });
});

test('importAdapter() keeps to an error, and takes fewer bytes for a larger one', async () => {
  const base: Model = { tensors: [normal('layer.weight', 'float32', { shape: [96, 128], seed: 1 })] };
  const adapter = peftPair('layer', { rank: 8, inputs: [128], outputs: 96 });
  const sizes: number[] = [];
  for (const maxError of [0.001, 0.01, 0.1]) {
    const { payload, tensors } = await merge(base, adapter, { config: CONFIG, maxError });
    expect(tensors[0]?.error).toBeLessThan(1.1 * maxError);
    sizes.push(payload.length);
  }
  expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
  for (const bits of [4, 8, 16]) {
    const { payload } = await merge(base, adapter, { config: CONFIG, bits });
    expect(Math.abs(payload.length / ((bits * 8 * (96 + 128)) / 8) - 0.9)).toBeLessThan(0.15);
  }
});
