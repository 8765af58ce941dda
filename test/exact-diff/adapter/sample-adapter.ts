import { bfloat16Bits, bfloat16Value, float16Bits, float16Value } from '../../../src/model/float16.js';
import { DTYPES, type DType, elementCount, type Model, type Tensor } from '../../../src/model/tensor.js';
import { createRandom } from '../../support.js';

const STORES = {
  float32: (view: DataView, at: number, value: number) => view.setFloat32(at, value, true),
  float16: (view: DataView, at: number, value: number) => view.setUint16(at, float16Bits(value), true),
  bfloat16: (view: DataView, at: number, value: number) => view.setUint16(at, bfloat16Bits(value), true),
};

export type FloatDType = keyof typeof STORES;

/** @returns a tensor with these numbers, rounded to its dtype */
export function tensorOf(
  name: string,
  dtype: FloatDType,
  { shape, values }: { shape: readonly number[]; values: ArrayLike<number> },
): Tensor {
  const size = DTYPES[dtype as DType].bytes;
  const bytes = new Uint8Array(size * elementCount({ name, dtype, shape }));
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < values.length; i++) STORES[dtype](view, size * i, Math.fround(values[i] as number));
  return { name, dtype, shape, bytes };
}

/** @returns a tensor of about normal numbers */
export function normal(
  name: string,
  dtype: FloatDType,
  { shape, seed, size = 1 }: { shape: readonly number[]; seed: number; size?: number },
): Tensor {
  const random = createRandom(seed);
  const uniform = () => random() / 2 ** 32 - 0.5;
  const count = shape.reduce((product, each) => product * each, 1);
  const values = Array.from({ length: count }, () => size * 2 * (uniform() + uniform() + uniform()));
  return tensorOf(name, dtype, { shape, values });
}

/** @returns the numbers of a tensor */
export function numbersOf({ dtype, bytes }: Tensor): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const size = DTYPES[dtype].bytes;
  return Array.from({ length: bytes.length / size }, (_, i) => {
    if (dtype === 'float32') return view.getFloat32(i * size, true);
    const bits = view.getUint16(i * size, true);
    return dtype === 'float16' ? float16Value(bits) : bfloat16Value(bits);
  });
}

export const find = ({ tensors }: Model, name: string): Tensor =>
  tensors.find((tensor) => tensor.name === name) as Tensor;

/** A rank × inputs, B outputs × rank: the change of an outputs × inputs matrix, by definition. */
export function productOf(a: Tensor, b: Tensor, scale: number): number[] {
  const rank = a.shape[0] as number;
  const [down, up] = [numbersOf(a), numbersOf(b)];
  const inputs = down.length / rank;
  return Array.from({ length: (up.length / rank) * inputs }, (_, at) => {
    const [output, input] = [Math.floor(at / inputs), at % inputs];
    let sum = 0;
    for (let k = 0; k < rank; k++)
      sum += (up[output * rank + k] as number) * (down[k * inputs + input] as number);
    return scale * sum;
  });
}

export function transpose(values: readonly number[], columns: number): number[] {
  const rows = values.length / columns;
  return Array.from({ length: values.length }, (_, i) => {
    return values[(i % rows) * columns + Math.floor(i / rows)] as number;
  });
}

/** @returns root mean square of the differences between two lists */
export function rms(a: readonly number[], b: readonly number[] = []): number {
  return Math.sqrt(a.reduce((sum, value, i) => sum + (value - (b[i] ?? 0)) ** 2, 0) / a.length);
}

/** A PEFT adapter of a matrix: the two tensors of a module. */
export function peftPair(
  module: string,
  { rank, inputs, outputs }: { rank: number; inputs: readonly number[]; outputs: number },
  { dtype = 'float32', seed = 7 }: { dtype?: FloatDType; seed?: number } = {},
): [Tensor, Tensor] {
  const kernel = inputs.slice(1).map(() => 1);
  const name = `base_model.model.${module}`;
  return [
    normal(`${name}.lora_A.weight`, dtype, { shape: [rank, ...inputs], seed, size: 0.3 }),
    normal(`${name}.lora_B.weight`, dtype, { shape: [outputs, rank, ...kernel], seed: seed + 1, size: 0.05 }),
  ];
}

export const CONFIG = { peft_type: 'LORA', r: 4, lora_alpha: 8, use_rslora: false, bias: 'none' };
