import * as tf from '@tensorflow/tfjs';

/** How the memory of a backend is reached whose kernels compute with the very bytes that are written to. */
export interface LiveMemory {
  /** @returns a view of a variable's live bytes, valid until the backend allocates */
  borrowBytes(variable: tf.Variable): Uint8Array;
  /** Makes the backend forget what it derived from the variable's old values. */
  refresh(variable: tf.Variable): void;
}

/** @returns the active backend's memory; undefined where there is no such way in, or it was tried and does not work */
export function liveMemory(): LiveMemory | undefined {
  const name = tf.getBackend();
  if (name !== 'cpu' && name !== 'wasm') return undefined;
  const memory = name === 'cpu' ? cpuMemory() : wasmMemory();
  return reachesKernels(memory) ? memory : undefined;
}

/** @returns the bytes of typed values, as a view */
export function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** On the cpu backend `dataSync` hands out the array that the kernels read. */
function cpuMemory(): LiveMemory {
  return { borrowBytes: (variable) => bytesOf(variable.dataSync()), refresh() {} };
}

/** The parts of the wasm backend that are used here, as TensorFlow.js 4.22 has them. */
interface WasmBackend {
  readonly dataIdMap: { get(dataId: object): { id: number; memoryOffset: number } };
  readonly wasm: {
    tfjs: {
      disposeData(id: number): void;
      registerTensor(id: number, size: number, memoryOffset: number): void;
    };
  };
  typedArrayFromHeap(tensor: tf.Tensor): ArrayBufferView;
}

/**
 * XNNPACK packs the weights of dense, convolution and depthwise layers once and keeps the packed copy under the
 * tensor's id: registering the same memory anew makes it drop that copy.
 */
function wasmMemory(): LiveMemory {
  const backend = tf.backend() as unknown as WasmBackend;
  return {
    borrowBytes: (variable) => bytesOf(backend.typedArrayFromHeap(variable)),
    refresh(variable) {
      const data = backend.dataIdMap.get(variable.dataId);
      backend.wasm.tfjs.disposeData(data.id);
      backend.wasm.tfjs.registerTensor(data.id, variable.size, data.memoryOffset);
    },
  };
}

/** Neither way is a promise of TensorFlow.js: a dense layer's product must follow what is written, or it is not used. */
function reachesKernels(memory: LiveMemory): boolean {
  const probe = tf.tidy(() => tf.variable(tf.ones([4, 4]), false));
  try {
    const before = sumOfProduct(probe);
    memory.borrowBytes(probe).set(bytesOf(new Float32Array(16).fill(2)));
    memory.refresh(probe);
    return before === 64 && sumOfProduct(probe) === 128;
  } catch {
    return false;
  } finally {
    probe.dispose();
  }
}

function sumOfProduct(probe: tf.Variable): number {
  const product = tf.tidy(() => tf.fused.matMul({ a: tf.ones([4, 4]), b: probe as unknown as tf.Tensor2D }));
  const sum = (product.dataSync() as Float32Array).reduce((a, b) => a + b, 0);
  product.dispose();
  return sum;
}
