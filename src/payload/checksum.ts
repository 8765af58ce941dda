import xxhash from 'xxhash-wasm';
import { Yielder } from '../model/yielder.js';
import { type Bytes, sourceOf, WINDOW_BYTES } from './byte-source.js';

/**
 * Bytes hashed at a time: the WebAssembly memory of the hash grows to the largest piece and never shrinks.
 */
const HASH_STEP_BYTES = 2 ** 20;

/**
 * Computes XXH64 with seed 0, in the canonical representation.
 *
 * Source: the xxHash fast digest algorithm, specification 0.1.1.
 *
 * @param bytes any length
 * @returns 8 bytes, most significant first
 */
export async function xxh64(bytes: Bytes): Promise<Uint8Array> {
  const source = sourceOf(bytes);
  const checksum = await createChecksum();
  const buffer = new Uint8Array(WINDOW_BYTES);
  const yielder = new Yielder();
  for (let at = 0; at < source.length; ) {
    const piece = source.borrow(at, buffer).subarray(0, HASH_STEP_BYTES);
    checksum.update(piece);
    at += piece.length;
    await yielder.tick();
  }
  return checksum.digest();
}

/** Incremental XXH64. */
interface Checksum {
  update(piece: Uint8Array): void;
  /** @returns the result of `xxh64` for the concatenated pieces */
  digest(): Uint8Array;
}

/** Makes empty checksums; loaded once. */
let loaded: Promise<() => Checksum> | undefined;

/** @returns an empty incremental checksum */
export async function createChecksum(): Promise<Checksum> {
  loaded ??= load();
  return (await loaded)();
}

/** Runtimes may lack WebAssembly, or refuse to compile it, as a page's policy can have it. */
async function load(): Promise<() => Checksum> {
  try {
    const { create64 } = await xxhash();
    return () => checksumOf(create64());
  } catch {
    const { PlainXxh64 } = await import('./plain-xxh64.js');
    return () => new PlainXxh64();
  }
}

/** Each hash keeps its state outside of the WebAssembly module. */
function checksumOf(hasher: ReturnType<Awaited<ReturnType<typeof xxhash>>['create64']>): Checksum {
  return {
    update(piece) {
      for (let at = 0; at < piece.length; at += HASH_STEP_BYTES)
        hasher.update(piece.subarray(at, at + HASH_STEP_BYTES));
    },
    digest() {
      const digest = new Uint8Array(8);
      new DataView(digest.buffer).setBigUint64(0, hasher.digest());
      return digest;
    },
  };
}
