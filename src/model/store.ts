import { byteLength, checkModel, type Model, type Tensor, type TensorInfo } from './tensor.js';

/**
 * How the bytes of a model's tensors are read and written, whatever container holds them.
 * Offsets are in bytes from the start of a tensor. A store is a resource: close it.
 */
export interface WeightStore {
  /** The tensors, in the container's own order. */
  readonly tensors: readonly TensorInfo[];
  /** Names of tensors whose form in the container lets nobody write them; none unless given. */
  readonly readOnly?: ReadonlySet<string>;
  /** What integers stand for, where the container says so. */
  readonly quantization?: ReadonlyMap<string, Quantization>;
  /** Fills all of `target` with a tensor's bytes from `byteOffset` on. */
  readInto(name: string, byteOffset: number, target: Uint8Array): Promise<void>;
  /** Overwrites a tensor's bytes from `byteOffset` on; `bytes` may be reused once the promise settles. */
  write(name: string, byteOffset: number, bytes: Uint8Array): Promise<void>;
  /** Makes every write so far visible to the model's users and, where the container can, durable. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Reads a whole model into memory.
 *
 * @param store where the tensors are
 * @returns a model whose bytes are the caller's own
 * @throws NeuralDiffError whatever the store throws
 */
export async function copyModel(store: WeightStore): Promise<Model> {
  const tensors: Tensor[] = [];
  for (const info of store.tensors) {
    const bytes = new Uint8Array(byteLength(info));
    await store.readInto(info.name, 0, bytes);
    tensors.push({ name: info.name, dtype: info.dtype, shape: [...info.shape], bytes });
  }
  return { tensors };
}

/**
 * Looks a range of a tensor up; every store does it before it touches its bytes.
 *
 * @param tensors the store's tensors by name
 * @param range the tensor's name, the first byte and the number of bytes
 * @returns the tensor
 * @throws RangeError for an unknown name or a range outside the tensor
 */
export function checkRange<T extends TensorInfo>(
  tensors: ReadonlyMap<string, T>,
  range: { name: string; byteOffset: number; length: number },
): T {
  const { name, byteOffset, length } = range;
  const tensor = tensors.get(name);
  if (tensor === undefined)
    throw new RangeError(`Cannot access tensor "${name}": the model has none of that name`);
  const end = byteOffset + length;
  if (!Number.isSafeInteger(byteOffset) || byteOffset < 0 || end > byteLength(tensor)) {
    throw new RangeError(
      `Cannot access tensor "${name}": expected a range within ${byteLength(tensor)} bytes, got ${byteOffset} to ${end}`,
    );
  }
  return tensor;
}

/**
 * Opens a model in memory as a store; writes go to the model's own bytes.
 *
 * @param model the model; its byte arrays may be views of larger buffers
 * @returns the store
 * @throws NeuralDiffError `bad-model` when a tensor's bytes do not fit its shape
 */
export function openMemoryStore(model: Model): WeightStore {
  checkModel(model);
  const byName = new Map(model.tensors.map((tensor) => [tensor.name, tensor]));
  return {
    tensors: model.tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    async readInto(name, byteOffset, target) {
      const { bytes } = checkRange(byName, { name, byteOffset, length: target.length });
      target.set(bytes.subarray(byteOffset, byteOffset + target.length));
    },
    async write(name, byteOffset, bytes) {
      checkRange(byName, { name, byteOffset, length: bytes.length }).bytes.set(bytes, byteOffset);
    },
    async flush() {},
    async close() {},
  };
}

/** How a tensor's integers stand for weights: `weight = scale * (integer - zeroPoint) + min`, rounded once to float32. */
export interface Quantization {
  /** Above 0; or one for each index of the tensor's last dimension. */
  readonly scale: number | Float32Array;
  /** A whole number in the range of the dtype; 0 unless given. */
  readonly zeroPoint?: number;
  /** What the zero point stands for; 0 unless given. TensorFlow.js has it in place of zero points. */
  readonly min?: number;
}
