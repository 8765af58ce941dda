import * as tf from '@tensorflow/tfjs';
import type { KernelCall } from '../backend.js';

type GatherCall = KernelCall<'x' | 'indices', { axis: number; batchDims: number }>;

/** Slices below this many elements are copied in a loop: a call of `set` takes longer. */
const SHORT = 16;

/** Copies whole slices; the stock kernel computes the place of every element. */
export function gather(call: GatherCall, stock: (call: GatherCall) => tf.TensorInfo): tf.TensorInfo {
  const { inputs, backend, attrs } = call;
  const { x, indices } = inputs;
  if (x.dtype === 'string' || indices.dtype !== 'int32') return stock(call);
  const axis = tf.util.parseAxisParam(attrs.axis, x.shape)[0] as number;
  const shapes = tf.backend_util.segment_util.collectGatherOpShapeInfo(
    x as tf.Tensor,
    indices as tf.Tensor,
    axis,
    attrs.batchDims ?? 0,
  );
  const { batchSize, outerSize, dimSize, sliceSize, outputShape } = shapes;
  const out = backend.makeOutput(outputShape, x.dtype);
  const [from, to, places] = [x, out, indices].map((tensor) => backend.typedArrayFromHeap(tensor)) as [
    tf.TypedArray,
    tf.TypedArray,
    tf.TypedArray,
  ];
  const taken = batchSize === 0 ? 0 : places.length / batchSize;
  // The stock kernel says what is wrong with an index.
  if (places.some((place) => place < 0 || place >= dimSize)) {
    backend.disposeData(out.dataId);
    return stock(call);
  }
  for (let outer = 0, at = 0; outer < batchSize * outerSize; outer++) {
    const first = Math.floor(outer / outerSize) * taken;
    for (let i = 0; i < taken; i++, at += sliceSize) {
      const start = (outer * dimSize + (places[first + i] as number)) * sliceSize;
      if (sliceSize >= SHORT) to.set(from.subarray(start, start + sliceSize), at);
      else for (let j = 0; j < sliceSize; j++) to[at + j] = from[start + j] as number;
    }
  }
  return out;
}
