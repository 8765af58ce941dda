import * as tf from '@tensorflow/tfjs';
import { allocateFloats, type Shape, type WasmBackend } from './backend.js';

const BYTES_PER_FLOAT = 4;

type Attributes = Readonly<Record<string, unknown>>;

/** Runs a registered wasm kernel; the caller owns the result. */
export function runKernel(
  backend: WasmBackend,
  kernelName: string,
  call: { inputs: Readonly<Record<string, tf.TensorInfo>>; attrs?: Attributes },
): tf.TensorInfo {
  const { kernelFunc } = tf.getKernel(kernelName, 'wasm');
  const attrs = (call.attrs ?? {}) as tf.NamedAttrMap;
  return kernelFunc({ inputs: { ...call.inputs }, backend, attrs }) as tf.TensorInfo;
}

/** The temporaries of a kernel call, or of one round of a loop in it, freed together when it ends. */
export class Scratch {
  readonly #backend: WasmBackend;
  readonly #owned: tf.TensorInfo[] = [];
  readonly #windows: tf.TensorInfo[] = [];

  constructor(backend: WasmBackend) {
    this.#backend = backend;
  }

  allocate(shape: Shape): tf.TensorInfo {
    return this.keep(allocateFloats(this.#backend, shape));
  }

  run(kernelName: string, inputs: Record<string, tf.TensorInfo>, attrs?: Attributes): tf.TensorInfo {
    return this.keep(runKernel(this.#backend, kernelName, attrs ? { inputs, attrs } : { inputs }));
  }

  keep(tensor: tf.TensorInfo): tf.TensorInfo {
    this.#owned.push(tensor);
    return tensor;
  }

  /**
   * Borrows consecutive values of `tensor` as a tensor of its own, without a copy.
   * The stock product of matrices keeps a packed copy of its second operand for as long as that tensor lives and
   * finds it by identity alone, whatever its shape: a second operand must be a window, with an identity of its own.
   */
  borrowWindow(tensor: tf.TensorInfo, start: number, shape: Shape): tf.TensorInfo {
    const offset = this.#backend.getMemoryOffset(tensor.dataId) + start * BYTES_PER_FLOAT;
    const borrowed = this.#backend.makeOutput(shape, 'float32', offset);
    this.#windows.push(borrowed);
    return borrowed;
  }

  free(): void {
    for (const { dataId } of this.#windows) {
      // disposeData of the backend would free memory in the middle of the allocation that lent it.
      this.#backend.wasm.tfjs.disposeData(this.#backend.dataIdMap.get(dataId).id);
      this.#backend.dataIdMap.delete(dataId);
    }
    for (const { dataId } of this.#owned) this.#backend.disposeData(dataId);
    this.#windows.length = 0;
    this.#owned.length = 0;
  }
}

/** Runs `work` with temporaries that are freed on every way out; its result must not be one of them. */
export function withScratch<Result>(backend: WasmBackend, work: (scratch: Scratch) => Result): Result {
  const scratch = new Scratch(backend);
  try {
    return work(scratch);
  } finally {
    scratch.free();
  }
}
