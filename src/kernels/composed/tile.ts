import type * as tf from '@tensorflow/tfjs';
import { allocateFloats, borrowFloats, type Heap, type KernelCall, sizeOf } from '../backend.js';

type TileCall = KernelCall<'x', { reps: number[] }>;

/** Repeats a tensor along its axes, from the innermost out, by copies that double what is already there. */
export function tile(call: TileCall, stock: (call: TileCall) => tf.TensorInfo): tf.TensorInfo {
  const { inputs, backend, attrs } = call;
  const { x } = inputs;
  if (x.dtype !== 'float32') return stock(call);
  const out = allocateFloats(
    backend,
    x.shape.map((size, axis) => size * attrs.reps[axis]!),
  );
  const from = borrowFloats(backend, x);
  const to = borrowFloats(backend, out);
  if (to.length === 0) return out;
  writeTiles({ shape: x.shape, reps: attrs.reps }, from, to);
  return out;
}

function writeTiles({ shape, reps }: { shape: number[]; reps: number[] }, from: Heap, to: Heap): void {
  const [size, ...innerShape] = shape;
  if (size === undefined) {
    to.set(from);
    return;
  }
  const [copies, ...innerReps] = reps as [number, ...number[]];
  const inner = sizeOf(innerShape);
  const tiled = to.length / (size * copies);
  if (tiled === inner) to.set(from);
  else {
    for (let i = 0; i < size; i++) {
      const source = from.subarray(i * inner, (i + 1) * inner);
      writeTiles({ shape: innerShape, reps: innerReps }, source, to.subarray(i * tiled, (i + 1) * tiled));
    }
  }
  repeat(to, size * tiled);
}

/** Fills the rest of `values` with copies of its first `length` floats. */
function repeat(values: Heap, length: number): void {
  for (let done = length; done < values.length; done *= 2) {
    values.copyWithin(done, 0, Math.min(done, values.length - done));
  }
}
