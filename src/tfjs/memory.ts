import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../model/errors.js';
import type { WasmBackend } from './kernels/backend.js';

/** The largest memory of the wasm backend, in bytes: 65,535 pages of 64 KiB. */
export const WASM_MEMORY_BYTES = 65_535 * 2 ** 16;

/** @returns whether the active backend is webgpu, which cannot read tensors synchronously */
export function isWebgpu(): boolean {
  return tf.getBackend() === 'webgpu';
}

/**
 * Runs small operations whose results are read at once: on the cpu backend if the active one is webgpu.
 * Backends fetch the tensors of others as they need them.
 */
export function onHost<T>(run: () => T): T {
  if (!isWebgpu()) return run();
  const active = tf.getBackend();
  switchTo('cpu');
  try {
    return run();
  } finally {
    switchTo(active);
  }
}

/** The promise is for backends that take time to start; the cpu backend and one in use are there at once. */
function switchTo(backend: string): void {
  void tf.setBackend(backend);
  if (tf.getBackend() !== backend) throw new Error(`Cannot switch to the TensorFlow.js backend "${backend}"`);
}

/** The webgpu backend of TensorFlow.js 4.22 reads indices as float32, which has all integers up to here. */
export const MOST_INDEXES = 2 ** 24;

/** Marks an allocator that is guarded, by any copy of the package. */
const MARK = Symbol.for('neural-diff.guarded-allocator');

/**
 * Makes the wasm backend throw when an allocation fails. TensorFlow.js does not notice: its kernels would
 * write to address 0, over the memory of others.
 */
export function guardAllocations(): void {
  const { wasm } = tf.backend() as unknown as WasmBackend;
  if (MARK in wasm._malloc) return;
  // The first call replaces the function by that of the WebAssembly module.
  wasm._free(wasm._malloc(1));
  const malloc = wasm._malloc;
  const guarded = (bytes: number): number => {
    const address = bytes < WASM_MEMORY_BYTES ? malloc(bytes) >>> 0 : 0;
    if (bytes === 0 || (address !== 0 && address + bytes <= wasm.HEAPU8.length)) return address;
    // The allocator rounds sizes up, and those close to the limit around it.
    if (address !== 0) wasm._free(address);
    throw outOfMemory(bytes);
  };
  wasm._malloc = Object.assign(guarded, { [MARK]: true as const });
}

function outOfMemory(bytes: number): NeuralDiffError {
  const { numBytes } = tf.memory();
  const message = `Cannot allocate ${bytes} bytes on the wasm backend: ${numBytes} of at most ${WASM_MEMORY_BYTES} bytes are in use`;
  const facts = { bytesNeeded: numBytes + bytes, limit: WASM_MEMORY_BYTES };
  return new NeuralDiffError('no-memory', message, { facts });
}

/** The parts of the engine of TensorFlow.js 4.22 that hold what a backward pass needs. */
interface Engine {
  readonly state: { activeTape: { readonly saved?: tf.Tensor[] }[] | null };
}

/** Frees what a forward pass that failed kept for its backward pass; to be called outside of both. */
export function dropTape(): void {
  const { state } = tf.engine() as unknown as Engine;
  for (const { saved = [] } of state.activeTape ?? []) tf.dispose(saved);
  state.activeTape = null;
}
