import type * as tf from '@tensorflow/tfjs';
import { borrowFloats, type WasmBackend } from '../backend.js';
import type { Scratch } from '../scratch.js';

/** Copies a filter [height, width, a, b] with its rows and its columns in reverse order. */
export function reversedTaps(backend: WasmBackend, scratch: Scratch, filter: tf.TensorInfo): tf.TensorInfo {
  const [height, width, a, b] = filter.shape as [number, number, number, number];
  const reversed = scratch.allocate(filter.shape);
  const from = borrowFloats(backend, filter);
  const to = borrowFloats(backend, reversed);
  const taps = height * width;
  for (let tap = 0; tap < taps; tap++) {
    to.set(from.subarray(tap * a * b, (tap + 1) * a * b), (taps - 1 - tap) * a * b);
  }
  return reversed;
}
