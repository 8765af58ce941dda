import type * as tf from '@tensorflow/tfjs';

export type Shape = readonly number[];

/** The part of the tfjs wasm backend that the kernels of this room rely on. */
export interface WasmBackend {
  readonly dataIdMap: { get(dataId: tf.DataId): { id: number }; delete(dataId: tf.DataId): boolean };
  readonly wasm: {
    readonly tfjs: { disposeData(id: number): void };
    readonly asm?: { readonly memory?: unknown };
    readonly wasmMemory?: unknown;
    _malloc(bytes: number): number;
    _free(address: number): void;
  };
  makeOutput(shape: Shape, dtype: tf.DataType, memoryOffset?: number): tf.TensorInfo;
  typedArrayFromHeap(tensor: tf.TensorInfo): tf.TypedArray;
  getMemoryOffset(dataId: tf.DataId): number;
  disposeData(dataId: tf.DataId): boolean;
}

/** What the engine hands to a kernel: named inputs, the backend that holds them, and attributes. */
export interface KernelCall<Input extends string, Attrs> {
  readonly inputs: Readonly<Record<Input, tf.TensorInfo>>;
  readonly backend: WasmBackend;
  readonly attrs: Attrs;
}

/** The values of a float32 tensor where they lie in the wasm memory. */
export type Heap = Float32Array;

/**
 * Borrows the values of a float32 tensor where they lie in the wasm memory.
 * The view is valid until the next allocation: growing the memory detaches it.
 */
export function borrowFloats(backend: WasmBackend, tensor: tf.TensorInfo): Heap {
  return backend.typedArrayFromHeap(tensor) as Heap;
}

/** Allocates a float32 tensor whose values are whatever the heap held before. */
export function allocateFloats(backend: WasmBackend, shape: Shape): tf.TensorInfo {
  return backend.makeOutput(shape, 'float32');
}

/** Names the same values by another shape; the result shares the reference of `tensor`. */
export function reshaped(tensor: tf.TensorInfo, shape: Shape): tf.TensorInfo {
  return { dataId: tensor.dataId, dtype: tensor.dtype, shape: [...shape] };
}

export function sizeOf(shape: Shape): number {
  return shape.reduce((size, dimension) => size * dimension, 1);
}
