import * as tf from '@tensorflow/tfjs';
import { type KernelCall, sizeOf } from '../backend.js';

export type GatherCall = KernelCall<'x' | 'indices', { axis: number; batchDims: number }>;

/** Gathers slices along an axis by copying runs; the stock kernel computes the place of every element. */
export function gather(call: GatherCall, stock: (call: GatherCall) => tf.TensorInfo): tf.TensorInfo {
  const { inputs, backend, attrs } = call;
  const { x, indices } = inputs;
  const axis = tf.util.parseAxisParam(attrs.axis, x.shape)[0] as number;
  const count = x.shape[axis] as number;
  const isPlain = attrs.batchDims === 0 && x.dtype === 'float32' && indices.dtype === 'int32';
  if (!isPlain || count === 0) return stock(call);
  const [outer, inner] = [x.shape.slice(0, axis), x.shape.slice(axis + 1)];
  const out = backend.makeOutput([...outer, ...indices.shape, ...inner], 'float32');
  const places = backend.typedArrayFromHeap(indices);
  if (places.some((place) => place < 0 || place >= count)) {
    backend.disposeData(out.dataId);
    return stock(call);
  }
  const [from, to] = [backend.typedArrayFromHeap(x), backend.typedArrayFromHeap(out)];
  const length = sizeOf(inner);
  const end = sizeOf(outer) * count * length;
  let target = 0;
  for (let block = 0; block < end; block += count * length) {
    for (let i = 0; i < places.length; i++, target += length) {
      const start = block + places[i]! * length;
      // Short runs are copied faster by a loop.
      if (length > MAX_LOOP) to.set(from.subarray(start, start + length), target);
      else for (let j = 0; j < length; j++) to[target + j] = from[start + j]!;
    }
  }
  return out;
}

const MAX_LOOP = 16;
