import { floatsOf, type Model, type Quantization, type Quantizations, type Tensor } from '../model/index.js';

/** Smallest and largest integer of the dtypes that may stand for weights. */
export const INTEGER_RANGES: Readonly<Record<string, readonly [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
};

/** @returns the scale of each element, its index modulo the array's length; 1 without a quantisation */
export function scalesOf(quantization: Quantization | undefined): Float32Array {
  const { scale } = quantization ?? { scale: 1 };
  return typeof scale === 'number' ? Float32Array.of(scale) : scale;
}

/** @returns a tensor's numbers as they are stored, as float32: halves widened, integers whole; a copy */
export function storedValues({ dtype, bytes }: Tensor): Float32Array {
  if (dtype in INTEGER_RANGES) return Float32Array.from(integersOf({ dtype, bytes }));
  return floatsOf({ dtype, bytes });
}

/** @returns the integers of an int8 or uint8 tensor, where they lie */
export function integersOf({ dtype, bytes }: Pick<Tensor, 'dtype' | 'bytes'>): Int8Array | Uint8Array {
  return dtype === 'int8' ? new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length) : bytes;
}

/** @returns the weights that a tensor's numbers stand for, as a copy */
export function weightsOf(tensor: Tensor, quantization: Quantization | undefined): Float32Array {
  const values = storedValues(tensor);
  if (quantization === undefined) return values;
  const { scale, zeroPoint = 0, min = 0 } = quantization;
  for (let i = 0; i < values.length; i++) {
    const each = typeof scale === 'number' ? scale : (scale[i % scale.length] as number);
    values[i] = each * ((values[i] as number) - zeroPoint) + min;
  }
  return values;
}

/** @returns the weights of some of a model's tensors as float32, as copies */
export function weightsOfModel(
  model: Model,
  names: ReadonlySet<string>,
  quantization: Quantizations = new Map(),
): Map<string, Float32Array> {
  const chosen = model.tensors.filter((tensor) => names.has(tensor.name));
  return new Map(chosen.map((tensor) => [tensor.name, weightsOf(tensor, quantization.get(tensor.name))]));
}
