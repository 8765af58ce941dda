import { concatBytes, hex } from './bytes.js';
import { CHUNK_BYTES } from './limits.js';
import type { Progress } from './progress.js';
import type { WeightStore } from './store.js';
import { byteLength, canonicalOrder, DTYPES, type TensorInfo, totalBytes } from './tensor.js';
import { encodeUtf8 } from './text.js';
import { Yielder } from './yielder.js';

/** Computes SHA-256 (FIPS 180-4), 32 bytes, also at once. The input is read before the call returns. */
export type Sha256 = (bytes: Uint8Array) => Promise<Uint8Array> | Uint8Array;

/** The runtime's SHA-256, or, where there is none, such as on pages from `http://`, a slower one. */
export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  const subtle = globalThis.crypto?.subtle;
  if (subtle) return new Uint8Array(await subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
  // The caller may write to its buffer while the module is loaded.
  const input = bytes.slice();
  const { Sha256Stream } = await import('./sha256-stream.js');
  const hash = new Sha256Stream();
  hash.add(input);
  return hash.finish();
}

/** Bytes of a fingerprint. Every payload holds two; 128 bits rule out accidental collisions. */
export const FINGERPRINT_BYTES = 16;

const TENSOR_TAG = encodeUtf8('neural-diff tensor\n');
const MODEL_TAG = encodeUtf8('neural-diff model\n');

/** Computes a tensor's digest from its chunks, in order, and its name, dtype and shape. */
export class TensorDigest {
  readonly #info: TensorInfo;
  readonly #sha256: Sha256;
  readonly #parts: Uint8Array[] = [];

  constructor(info: TensorInfo, hash: Sha256) {
    this.#info = info;
    this.#sha256 = hash;
  }

  /** Adds the next chunk: `CHUNK_BYTES` long; the last one of a tensor may be shorter. */
  async add(chunk: Uint8Array): Promise<void> {
    this.#parts.push(await this.#sha256(chunk));
  }

  /** @returns the tensor's digest, 32 bytes */
  finish(): ReturnType<Sha256> {
    return this.#sha256(concatBytes([TENSOR_TAG, describeTensor(this.#info), ...this.#parts]));
  }
}

/** @returns name, dtype and shape as bytes, with lengths first so that the encoding is unambiguous */
export function describeTensor(info: TensorInfo): Uint8Array {
  const name = encodeUtf8(info.name);
  const bytes = new Uint8Array(4 + name.length + 2 + 4 * info.shape.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, name.length, true);
  bytes.set(name, 4);
  const at = 4 + name.length;
  bytes[at] = DTYPES[info.dtype].code;
  bytes[at + 1] = info.shape.length;
  info.shape.forEach((size, axis) => {
    view.setUint32(at + 2 + 4 * axis, size, true);
  });
  return bytes;
}

/**
 * Combines tensor digests into a model's fingerprint.
 *
 * @param digests the tensors' digests in canonical order
 * @param hash SHA-256
 * @returns `FINGERPRINT_BYTES` bytes as hexadecimal digits
 */
export async function joinDigests(digests: readonly Uint8Array[], hash: Sha256): Promise<string> {
  const count = new Uint8Array(4);
  new DataView(count.buffer).setUint32(0, digests.length, true);
  const digest = await hash(concatBytes([MODEL_TAG, count, ...digests]));
  return hex(digest.subarray(0, FINGERPRINT_BYTES));
}

/** Options of `fingerprint`. */
export interface FingerprintOptions {
  /** SHA-256 implementation; defaults to the runtime's. */
  readonly sha256?: (bytes: Uint8Array) => Promise<Uint8Array> | Uint8Array;
  /** Cancels between two chunks with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each chunk with the bytes read so far. */
  readonly onProgress?: (progress: Progress<'read'>) => void;
}

/**
 * Computes a model's identity.
 *
 * It is the first half of SHA-256 over the tensors' digests in canonical order; each digest covers name,
 * dtype, shape and bytes. The container and its order of tensors make no difference. Reads one chunk at a
 * time, in the store's order.
 *
 * @param store the model
 * @returns 16 bytes as 32 lower-case hexadecimal digits
 * @throws NeuralDiffError any error of the store
 *
 * @example
 * console.log(await fingerprint(await openModel('models/v1'))); // 32 hexadecimal digits
 */
export async function fingerprint(store: WeightStore, options: FingerprintOptions = {}): Promise<string> {
  const hash = options.sha256 ?? sha256;
  const buffer = new Uint8Array(CHUNK_BYTES);
  const digests = new Map<string, Uint8Array>();
  const bytesTotal = totalBytes(store.tensors);
  const yielder = new Yielder(options.signal);
  let done = 0;
  for (const info of store.tensors) {
    const digest = new TensorDigest(info, hash);
    const total = byteLength(info);
    for (let offset = 0; offset < total; offset += CHUNK_BYTES) {
      await yielder.tick();
      const chunk = buffer.subarray(0, Math.min(CHUNK_BYTES, total - offset));
      await store.readInto(info.name, offset, chunk);
      await digest.add(chunk);
      done += chunk.length;
      options.onProgress?.({ phase: 'read', done, total: bytesTotal });
    }
    digests.set(info.name, await digest.finish());
  }
  return joinDigests(inOrder(store.tensors, digests), hash);
}

/** @returns what is known of each tensor, in canonical order */
export function inOrder<T>(tensors: readonly TensorInfo[], byName: ReadonlyMap<string, T>): T[] {
  return canonicalOrder(tensors).map(({ name }) => byName.get(name) as T);
}
