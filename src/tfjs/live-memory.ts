import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../model/errors.js';
import type { WeightStore } from '../model/store.js';
import { assignValues, infoOf, type NamedWeight } from './weights.js';

/** Access to the memory of a backend whose kernels compute directly with the bytes that are written. */
export interface LiveMemory {
  /** @returns a view of a variable's live bytes, valid until the backend allocates */
  borrowBytes(variable: tf.Variable): Uint8Array;
  /** Invalidates everything that the backend derived from the variable's old values. */
  refresh(variable: tf.Variable): void;
}

/**
 * @returns the active backend's memory; undefined if it cannot be accessed, or was tested and does not work
 */
export function liveMemory(): LiveMemory | undefined {
  const name = tf.getBackend();
  if (name !== 'cpu' && name !== 'wasm') return undefined;
  const memory = name === 'cpu' ? cpuMemory() : wasmMemory();
  return reachesKernels(memory) ? memory : undefined;
}

/** @returns a view of the bytes of typed values */
export function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** On the cpu backend `dataSync` returns the array that the kernels read. */
function cpuMemory(): LiveMemory {
  return { borrowBytes: (variable) => bytesOf(variable.dataSync()), refresh() {} };
}

/** The parts of the wasm backend used here, as of TensorFlow.js 4.22. */
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
 * XNNPACK packs the weights of dense, convolution and depthwise layers once and keeps the packed copy under
 * the tensor's id; registering the same memory again makes it drop that copy.
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

/**
 * TensorFlow.js guarantees neither, so memory is used only if a dense layer's product follows what is
 * written.
 */
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

type Values = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;

/**
 * Floats that backends are most likely to change: denormals, minus zero, NaN with a payload, infinity, full
 * fractions.
 */
const AWKWARD_FLOATS = [
  1, 0x80000001, 0x007fffff, 0x80000000, 0x7fc12345, 0xff800000, 0x3f800001, 0x7f7fffff,
];

/** Integers that float32 cannot represent. */
const AWKWARD_INTEGERS = [2 ** 24 + 1, 2 ** 31 - 1, -(2 ** 31), -(2 ** 24) - 3];

/** Elements of a probe: backends store and compute smaller tensors differently. */
const PROBE_SIDE = 64;

/**
 * Copies the weights of a live model into memory, for backends whose own memory is inaccessible or does not
 * preserve bits. The copies are authoritative; the backend's kernels compute with its own version of them.
 *
 * @param source provides the weights bit for bit; the backend by default
 * @returns copies by name
 * @throws NeuralDiffError `unsupported-model` if assigned weights do not reach the kernels, or without a
 *   source if the backend does not return the bits it was given; `wrong-layout` for a source of another model
 */
export async function mirrorWeights(
  weights: readonly NamedWeight[],
  source: WeightStore | undefined,
): Promise<Map<string, Values>> {
  const mirrors = new Map<string, Values>();
  if (source) checkSource(weights, source);
  const dtypes = new Set(weights.map((weight) => infoOf(weight).dtype));
  for (const dtype of ['float32', 'int32'] as const)
    if (dtypes.has(dtype)) await checkBackend(dtype, source !== undefined);
  for (const { name, variable } of weights) {
    const values = (await variable.data()).slice() as Values;
    await source?.readInto(name, 0, bytesOf(values));
    mirrors.set(name, values);
  }
  return mirrors;
}

function checkSource(weights: readonly NamedWeight[], { tensors }: WeightStore): void {
  const layouts = new Map(tensors.map(({ name, dtype, shape }) => [name, `${dtype}[${shape}]`]));
  for (const { name, dtype, shape } of weights.map(infoOf)) {
    const [expected, found = 'none'] = [`${dtype}[${shape}]`, layouts.get(name)];
    if (found === expected) continue;
    const message = `Cannot patch the live model: expected the weights that it was loaded with to have "${name}" as ${expected}, got ${found}`;
    throw new NeuralDiffError('wrong-layout', message);
  }
}

/**
 * Tests, with a tensor of special values used by a kernel, whether the backend preserves bits and applies
 * assignments.
 */
async function checkBackend(dtype: 'float32' | 'int32', hasSource: boolean): Promise<void> {
  const values = awkward(dtype);
  const probe = tf.tidy(() => tf.variable(tf.tensor(values.slice(), [PROBE_SIDE, PROBE_SIDE], dtype), false));
  try {
    // Only tensors used by a kernel are certain to be on the device.
    await sumOf(probe);
    const found = bytesOf(await probe.data());
    const isExact = bytesOf(values).every((byte, i) => byte === found[i]);
    if (!isExact && !hasSource)
      throw unsupported(
        `gives other bits of ${dtype} back than it was given; hand over the weights that the model was loaded with`,
      );
    assignValues(probe, values.fill(3));
    if ((await sumOf(probe)) === 3 * PROBE_SIDE ** 2) return;
    throw unsupported('computes with the old values of a variable after new ones were assigned');
  } finally {
    probe.dispose();
  }
}

async function sumOf(probe: tf.Variable): Promise<number> {
  const sum = tf.sum(probe);
  const [value] = await sum.data();
  sum.dispose();
  return value as number;
}

function awkward(dtype: 'float32' | 'int32'): Values {
  const values = new Int32Array(PROBE_SIDE ** 2);
  if (dtype === 'int32') {
    values.set(AWKWARD_INTEGERS);
    return values;
  }
  values.fill(0x3f9e0653);
  values.set(AWKWARD_FLOATS);
  return new Float32Array(values.buffer);
}

function unsupported(problem: string): NeuralDiffError {
  const message = `Cannot patch the live model: the backend "${tf.getBackend()}" ${problem}`;
  return new NeuralDiffError('unsupported-model', message);
}
