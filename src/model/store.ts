import type { ModelFiles } from './model-files.js';
import { byteLength, checkModel, type Model, type Tensor, type TensorInfo } from './tensor.js';

/**
 * Maps a tensor's integers to weights: `weight = scale * (integer - zeroPoint) + min`, rounded once to
 * float32.
 */
export interface Quantization {
  /** Above 0; an array holds one scale for each index of the tensor's last dimension. */
  readonly scale: number | Float32Array;
  /** A whole number in the range of the dtype; defaults to 0. */
  readonly zeroPoint?: number;
  /** The weight at the zero point; defaults to 0. TensorFlow.js uses it in place of zero points. */
  readonly min?: number;
}

/** Quantisation by tensor name; float tensors have no entry. */
export type Quantizations = ReadonlyMap<string, Quantization>;

/**
 * Reads and writes the bytes of a model's tensors, independent of the container.
 *
 * Offsets are in bytes from the start of a tensor. A store must be closed.
 */
export interface WeightStore {
  /** The tensors, in the container's own order. */
  readonly tensors: readonly TensorInfo[];
  /** Names of tensors that cannot be written; defaults to none. */
  readonly readOnly?: ReadonlySet<string>;
  /** Quantisation of integer tensors, where the container records it. */
  readonly quantization?: ReadonlyMap<string, Quantization>;
  /**
   * Reads what the model's own files hold besides tensors (graph, texts, metadata), which payloads do not
   * change: the format, as two formats cannot be compared; the number of bytes; SHA-256 in hexadecimal,
   * equal for equal content. `openContainer` sets it.
   */
  outside?(): Promise<{ readonly format: string; readonly bytes: number; readonly digest: string }>;
  /**
   * Tells which files the model consists of, the main file first, which bytes of them each tensor is, and
   * reads those that belong to no tensor: the structure. `openContainer` sets it.
   */
  parts?(): Promise<{
    readonly paths: readonly string[];
    /** Those with byte ranges of their own, in order; a tensor stored in another form has none. */
    readonly places: readonly (TensorInfo & {
      readonly extents: readonly {
        readonly path: string;
        readonly offset: number;
        readonly length: number;
      }[];
    })[];
    /** @returns undefined if there are more bytes than the limit */
    structure(limit: number): Promise<Uint8Array | undefined>;
  }>;
  /**
   * Replaces the model by other files, where the storage keeps two copies. Afterwards the store is the new
   * model.
   *
   * @param write gets an empty folder, in which writing creates files; returns the path of the main file
   */
  rewrite?(write: (files: ModelFiles) => Promise<string>): Promise<void>;
  /** Fills all of `target` with a tensor's bytes from `byteOffset` on. */
  readInto(name: string, byteOffset: number, target: Uint8Array): Promise<void>;
  /**
   * Called before the first write, where known, with what will be written: bytes, and the number of runs of
   * neighbouring ones.
   *
   * @throws NeuralDiffError `no-space`
   */
  reserve?(writes: { readonly bytes: number; readonly runs: number }): Promise<void>;
  /** Overwrites a tensor's bytes from `byteOffset` on; `bytes` may be reused once the promise settles. */
  write(name: string, byteOffset: number, bytes: Uint8Array): Promise<void>;
  /** Makes every write so far visible to the model's users and, where the container supports it, durable. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** The files of a model. */
export type ModelParts = Awaited<ReturnType<NonNullable<WeightStore['parts']>>>;

/** What a model's files hold besides tensors. */
export type Outside = Awaited<ReturnType<NonNullable<WeightStore['outside']>>>;

/**
 * Reads a whole model into memory.
 *
 * @param store the model
 * @returns a copy of the model, owned by the caller
 * @throws NeuralDiffError any error of the store
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
 * Looks up a tensor and checks a byte range in it, before a store accesses the bytes.
 *
 * @param tensors the store's tensors by name
 * @param range the tensor's name, offset of the first byte, number of bytes
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
    throw new RangeError(`Cannot access tensor "${name}": the model has no such tensor`);
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
 * @throws NeuralDiffError `bad-model` when the length of a tensor's bytes does not match its shape
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
