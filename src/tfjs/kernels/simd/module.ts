import type * as tf from '@tensorflow/tfjs';
import { fromBase64 } from '../../../model/bytes.js';
import type { WasmBackend } from '../backend.js';
import { TRAINING_WASM } from '../training-wasm.js';

type Numbers = (...numbers: number[]) => void;

/** The exports of the WebAssembly module; parameters are documented in `assembly/`. */
interface TrainingExports {
  readonly productScratch: () => number;
  readonly product: Numbers;
  readonly convForward: Numbers;
  readonly convFilterGradient: Numbers;
  readonly convInputGradient: Numbers;
  readonly depthwiseFilterGradient: Numbers;
  readonly depthwiseInputGradient: Numbers;
  readonly maxPoolGradient: Numbers;
  readonly averagePoolGradient: Numbers;
  readonly sumRows: Numbers;
  readonly sumDeviations: Numbers;
  readonly normalise: Numbers;
  readonly normaliseGradient: Numbers;
  readonly scaleColumns: Numbers;
  readonly gruForward: Numbers;
  readonly gruBackward: Numbers;
  readonly gruAfterForward: Numbers;
  readonly gruAfterBackward: Numbers;
  readonly lstmForward: Numbers;
  readonly lstmBackward: Numbers;
  readonly adam: Numbers;
  readonly trackSquares: Numbers;
  readonly addHashed: Numbers;
  readonly sumHashed: Numbers;
  readonly openGates: Numbers;
  readonly addGated: Numbers;
  readonly pullGated: Numbers;
}

/** The training kernels, bound to the memory of a wasm backend. */
export class Simd {
  readonly run: TrainingExports;
  /** Bytes that a matrix product needs in addition to its operands. */
  readonly productBytes: number;
  readonly #backend: WasmBackend;
  readonly #memory: WebAssembly.Memory;
  #scratch = 0;
  #scratchBytes = 0;

  constructor(backend: WasmBackend, module: WebAssembly.Module) {
    this.#backend = backend;
    this.#memory = memoryOf(backend);
    const { exports } = new WebAssembly.Instance(module, { env: { memory: this.#memory } });
    this.run = exports as unknown as TrainingExports;
    this.productBytes = this.run.productScratch();
  }

  /** @returns the address of a tensor's first element */
  pointer(tensor: tf.TensorInfo): number {
    return this.#backend.getMemoryOffset(tensor.dataId) >>> 0;
  }

  /**
   * Borrows scratch memory for one kernel call; the next call returns the same memory.
   *
   * @param bytes how much
   * @returns its address, a multiple of 16
   * @throws Error if the heap is full
   */
  borrowScratch(bytes: number): number {
    if (bytes > this.#scratchBytes) {
      const old = this.#scratch;
      this.#scratch = 0;
      this.#scratchBytes = 0;
      if (old !== 0) this.#backend.wasm._free(old);
      this.#scratch = this.#backend.wasm._malloc(bytes) >>> 0;
      if (this.#scratch === 0)
        throw new Error(`Cannot reserve ${bytes} bytes on the heap of the wasm backend`);
      this.#scratchBytes = bytes;
    }
    return this.#scratch;
  }

  /** Borrows scratch memory for floats; the view is valid until the next allocation. */
  borrowFloats(count: number): { address: number; view: Float32Array } {
    const address = this.borrowScratch(4 * count);
    return { address, view: new Float32Array(this.#memory.buffer, address, count) };
  }

  /** Borrows scratch memory and writes 32-bit integers to its start: the fields of a struct of the module. */
  borrowStruct(bytes: number, fields: readonly number[]): number {
    const at = this.borrowScratch(bytes);
    new Int32Array(this.#memory.buffer, at, fields.length).set(fields);
    return at;
  }
}

/**
 * In Node and in pages without threads the module exports its memory; otherwise it is shared, which is
 * unsupported.
 */
function memoryOf(backend: WasmBackend): WebAssembly.Memory {
  const memory = backend.wasm.asm?.memory ?? backend.wasm.wasmMemory;
  if (memory instanceof WebAssembly.Memory) return memory;
  throw new TypeError('Cannot find the memory of the wasm backend');
}

const found = new WeakMap<WasmBackend, Simd | undefined>();
let compiled: WebAssembly.Module | undefined;

/**
 * Finds the SIMD kernels for a backend, loading them on first use.
 *
 * @param backend a wasm backend that has started
 * @returns undefined if they cannot run: no SIMD, shared memory, code generation forbidden
 */
export function simdOf(backend: WasmBackend): Simd | undefined {
  if (!found.has(backend)) found.set(backend, load(backend));
  return found.get(backend);
}

function load(backend: WasmBackend): Simd | undefined {
  try {
    compiled ??= new WebAssembly.Module(fromBase64(TRAINING_WASM));
    const simd = new Simd(backend, compiled);
    return multiplies(backend, simd) ? simd : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Tests whether the module can access the backend's tensors: it must compute 2 * 3 from 2 and 3 on the
 * backend.
 */
function multiplies(backend: WasmBackend, simd: Simd): boolean {
  const operands = backend.makeOutput([3], 'float32');
  try {
    const at = simd.pointer(operands);
    const scratch = simd.borrowScratch(simd.productBytes);
    backend.typedArrayFromHeap(operands).set([2, 3, 0]);
    simd.run.product(1, 1, 1, at, 1, 1, at + 4, 1, 1, at + 8, 1, 0, scratch);
    return backend.typedArrayFromHeap(operands)[2] === 6;
  } finally {
    backend.disposeData(operands.dataId);
  }
}
