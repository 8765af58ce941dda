import * as tf from '@tensorflow/tfjs';
import { checkRange, type TensorInfo, type WeightStore } from '../model/index.js';
import { infoOf, type NamedWeight, namedWeights } from './weights.js';

/** How one backend's memory is reached. */
interface LiveMemory {
  /** @returns a view of a variable's live bytes, valid until the backend allocates */
  borrowBytes(variable: tf.Variable): Uint8Array;
  /** Makes the backend forget what it derived from the variable's old values. */
  refresh(variable: tf.Variable): void;
}

/**
 * Opens a live model as a store: reads and writes go to the very memory that predictions use, on the cpu and wasm
 * backends. `flush` makes the writes count: until then the wasm backend predicts with weights it packed before.
 *
 * @param model a LayersModel whose weights are on the active backend
 * @returns the store; `applyPayload` on it patches the model in place
 * @throws TypeError on another backend; NeuralDiffError `unsupported-model` for weights without a place in the format
 */
export function openLiveModel(model: tf.LayersModel): WeightStore {
  const memory = liveMemory();
  const weights = new Map(namedWeights(model).map((weight) => [weight.name, { ...infoOf(weight), weight }]));
  const written = new Set<NamedWeight>();
  const locate = (range: { name: string; byteOffset: number; length: number }) => {
    const { weight } = checkRange(weights, range);
    const bytes = memory.borrowBytes(weight.variable);
    return { weight, bytes: bytes.subarray(range.byteOffset, range.byteOffset + range.length) };
  };
  return {
    tensors: [...weights.values()].map(({ name, dtype, shape }): TensorInfo => ({ name, dtype, shape })),
    async readInto(name, byteOffset, target) {
      target.set(locate({ name, byteOffset, length: target.length }).bytes);
    },
    async write(name, byteOffset, bytes) {
      const place = locate({ name, byteOffset, length: bytes.length });
      place.bytes.set(bytes);
      written.add(place.weight);
    },
    async flush() {
      for (const weight of written) memory.refresh(weight.variable);
      written.clear();
    },
    async close() {},
  };
}

function liveMemory(): LiveMemory {
  const name = tf.getBackend();
  if (name === 'cpu') return cpuMemory();
  if (name === 'wasm') return wasmMemory();
  throw new TypeError(`Cannot patch a live model on the backend "${name}": expected "cpu" or "wasm"`);
}

function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** On the cpu backend `dataSync` hands out the array that the kernels read. */
function cpuMemory(): LiveMemory {
  return { borrowBytes: (variable) => bytesOf(variable.dataSync()), refresh() {} };
}

/** The parts of the wasm backend that are used here; they are frozen with TensorFlow.js 4.22. */
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
