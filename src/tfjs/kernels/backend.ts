import * as tf from '@tensorflow/tfjs';

type Shape = readonly number[];

/** The part of the tfjs wasm backend that the kernels rely on. */
export interface WasmBackend {
  readonly dataIdMap: {
    get(dataId: tf.DataId): { id: number; memoryOffset: number };
    delete(dataId: tf.DataId): boolean;
  };
  readonly wasm: {
    readonly tfjs: {
      disposeData(id: number): void;
      registerTensor(id: number, size: number, memoryOffset: number): void;
    };
    readonly asm?: { readonly memory?: unknown };
    readonly wasmMemory?: unknown;
    readonly HEAPU8: Uint8Array;
    /** Address of new memory, 0 if there is none. */
    _malloc: (bytes: number) => number;
    _free: (address: number) => void;
  };
  makeOutput(shape: Shape, dtype: tf.DataType, memoryOffset?: number): tf.TensorInfo;
  typedArrayFromHeap(tensor: tf.TensorInfo): tf.TypedArray;
  getMemoryOffset(dataId: tf.DataId): number;
  disposeData(dataId: tf.DataId): boolean;
  incRef(dataId: tf.DataId): void;
  refCount(dataId: tf.DataId): number;
}

/** The arguments of a kernel: named inputs, the backend that holds them, and attributes. */
export interface KernelCall<Input extends string, Attrs> {
  readonly inputs: Readonly<Record<Input, tf.TensorInfo>>;
  readonly backend: WasmBackend;
  readonly attrs: Attrs;
}

/** The values of a float32 tensor, in the wasm memory. */
export type Heap = Float32Array;

/**
 * Borrows the values of a float32 tensor in the wasm memory.
 * The view is valid until the next allocation: growing the memory detaches it.
 */
export function borrowFloats(backend: WasmBackend, tensor: tf.TensorInfo): Heap {
  return backend.typedArrayFromHeap(tensor) as Heap;
}

/**
 * Invalidates what the backend derived from a tensor's old values. XNNPACK packs the weights of dense,
 * convolution and depthwise layers once and keeps the packed copy under the tensor's id; registering the same
 * memory again makes it drop that copy.
 */
export function refresh(
  backend: Pick<WasmBackend, 'dataIdMap'> & { readonly wasm: Pick<WasmBackend['wasm'], 'tfjs'> },
  { dataId, shape }: tf.TensorInfo,
): void {
  const { id, memoryOffset } = backend.dataIdMap.get(dataId);
  backend.wasm.tfjs.disposeData(id);
  backend.wasm.tfjs.registerTensor(id, sizeOf(shape), memoryOffset);
}

/** Allocates a float32 tensor with uninitialised values. */
export function allocateFloats(backend: WasmBackend, shape: Shape): tf.TensorInfo {
  return backend.makeOutput(shape, 'float32');
}

/** Reshapes without a copy; the result shares the reference of `tensor`. */
export function reshaped(tensor: tf.TensorInfo, shape: Shape): tf.TensorInfo {
  return { dataId: tensor.dataId, dtype: tensor.dtype, shape: [...shape] };
}

export function sizeOf(shape: Shape): number {
  return shape.reduce((size, dimension) => size * dimension, 1);
}

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

/** Temporary tensors of a kernel call, or of one iteration in it, freed together at its end. */
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
   * Borrows consecutive values of `tensor` as a separate tensor, without a copy.
   * The stock matrix product caches a packed copy of its second operand by tensor identity, regardless of
   * shape, for as long as that tensor lives: a second operand must be such a window, with its own identity.
   */
  borrowWindow(tensor: tf.TensorInfo, start: number, shape: Shape): tf.TensorInfo {
    const offset = this.#backend.getMemoryOffset(tensor.dataId) + start * BYTES_PER_FLOAT;
    const borrowed = this.#backend.makeOutput(shape, 'float32', offset);
    this.#windows.push(borrowed);
    return borrowed;
  }

  free(): void {
    for (const { dataId } of this.#windows) {
      // `disposeData` of the backend would free the memory that this view is part of.
      this.#backend.wasm.tfjs.disposeData(this.#backend.dataIdMap.get(dataId).id);
      this.#backend.dataIdMap.delete(dataId);
    }
    for (const { dataId } of this.#owned) this.#backend.disposeData(dataId);
    this.#windows.length = 0;
    this.#owned.length = 0;
  }
}

/** Runs `work` with temporaries that are always freed; its result must not be one of them. */
export function withScratch<Result>(backend: WasmBackend, work: (scratch: Scratch) => Result): Result {
  const scratch = new Scratch(backend);
  try {
    return work(scratch);
  } finally {
    scratch.free();
  }
}
