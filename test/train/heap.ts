import * as tf from '@tensorflow/tfjs';
import type { WasmBackend } from '../../src/tfjs/kernels/backend.js';

/** Counts what is allocated on the heap of the wasm backend. */
export interface HeapWatch {
  /** @returns the most bytes that a function had allocated at a time, without those before it */
  peakOf(run: () => Promise<unknown>): Promise<number>;
  stop(): void;
}

/** Starts to count; memory that is allocated before is not known. */
export function watchHeap(): HeapWatch {
  const { wasm } = tf.backend() as unknown as WasmBackend;
  const { _malloc: malloc, _free: free } = wasm;
  const sizes = new Map<number, number>();
  let [live, peak] = [0, 0];
  wasm._malloc = (bytes) => {
    const address = malloc(bytes);
    sizes.set(address, bytes);
    live += bytes;
    peak = Math.max(peak, live);
    return address;
  };
  wasm._free = (address) => {
    live -= sizes.get(address) ?? 0;
    sizes.delete(address);
    free(address);
  };
  return {
    async peakOf(run) {
      const before = live;
      peak = live;
      await run();
      return peak - before;
    },
    stop: () => void Object.assign(wasm, { _malloc: malloc, _free: free }),
  };
}
