import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { concatBytes } from '../src/model/bytes.js';
import { NeuralDiffError } from '../src/model/errors.js';
import { fingerprint } from '../src/model/fingerprint.js';
import { openMemoryStore, type WeightStore } from '../src/model/store.js';
import { byteLength, DTYPES, type DType, type Model, type Tensor } from '../src/model/tensor.js';
import { xxh64 } from '../src/payload/checksum.js';
import type { Diff, Meta } from '../src/payload/diff.js';
import { encodePayload } from '../src/payload/encode.js';
import { patchRange } from '../src/payload/patch.js';

/** @returns whole numbers from 0 to 2^32 - 1 from a seed (mulberry32), the same on every machine */
export function createRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/** Element types that ops can add to; those of others they see as words. */
export const ADDABLE = (Object.keys(DTYPES) as DType[]).filter((dtype) => DTYPES[dtype].words === undefined);

/** @returns bytes from a seed */
export function seededBytes(seed: number, length: number): Uint8Array {
  const random = createRandom(seed);
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = random();
  return bytes;
}

/** @returns numbers between -1 and 1 from a seed */
export function seededFloats(seed: number, length: number): Float32Array {
  const random = createRandom(seed);
  const values = new Float32Array(length);
  for (let i = 0; i < length; i++) values[i] = random() / 2 ** 31 - 1;
  return values;
}

/** @returns the same bytes in the middle of a larger buffer: a view with an offset */
export function offsetView(bytes: Uint8Array, offset = 8): Uint8Array {
  const larger = new Uint8Array(bytes.length + offset + 5).fill(0xee);
  larger.set(bytes, offset);
  return larger.subarray(offset, offset + bytes.length);
}

/** @returns a tensor filled from a seed: weights between -1 and 1, or any integers */
export function seededTensor(name: string, dtype: DType, shape: readonly number[], seed = 1): Tensor {
  const bytes = seededBytes(seed, byteLength({ name, dtype, shape }));
  if (DTYPES[dtype].kind === 'float') {
    // An exponent below that of 1 keeps every pattern a plain number: the highest byte is 0x3c down to 0x38.
    const step = DTYPES[dtype].bytes;
    for (let i = step - 1; i < bytes.length; i += step)
      bytes[i] = ((bytes[i] as number) & 0x80) | 0x38 | ((bytes[i] as number) & 3);
  }
  return { name, dtype, shape, bytes };
}

/** Writes a byte at the start of every tensor that has any. @returns a model with the same bytes written */
export async function changeFirstBytes(store: WeightStore, model: Model): Promise<Model> {
  const memory = openMemoryStore(model);
  for (const { name } of model.tensors.filter((tensor) => tensor.bytes.length > 0)) {
    for (const each of [store, memory]) await each.write(name, 0, Uint8Array.of(0x5a));
  }
  return model;
}

/** @returns a model with every dtype, a scalar, an empty tensor and names beyond ASCII */
export function sampleModel(seed = 1): Model {
  return {
    tensors: [
      seededTensor('conv/kernel', 'float32', [3, 3, 2, 4], seed),
      seededTensor('conv/bias', 'float32', [4], seed + 1),
      seededTensor('half', 'float16', [5, 7], seed + 2),
      seededTensor('brain', 'bfloat16', [33], seed + 3),
      seededTensor('bytes', 'int8', [2, 9], seed + 4),
      seededTensor('table', 'uint8', [40], seed + 5),
      seededTensor('ids', 'int32', [6], seed + 6),
      seededTensor('größe/重み😀', 'float32', [], seed + 7),
      seededTensor('none', 'float32', [0, 3], seed + 8),
    ],
  };
}

/** @returns a model whose bytes are its own */
export function cloneModel(model: Model): Model {
  return { tensors: model.tensors.map((tensor) => ({ ...tensor, bytes: tensor.bytes.slice() })) };
}

/** Checks that two models are the same to the byte; quicker than a comparison element by element. */
export function expectSameModel(found: Model, expected: Model): void {
  const digest = ({ bytes, ...info }: Tensor) => ({
    ...info,
    digest: createHash('sha256').update(bytes).digest('hex'),
  });
  expect(found.tensors.map(digest)).toEqual(expected.tensors.map(digest));
}

/** @returns the model that a diff makes of another one */
export function patchModel(base: Model, diff: Diff): Model {
  const next = cloneModel(base);
  for (const tensor of next.tensors) patchRange(diff.ops, tensor, { startElement: 0, bytes: tensor.bytes });
  return next;
}

/** @returns a payload for the base and the model that it promises */
export async function pack(
  base: Model,
  diff: Diff,
  meta: Meta = {},
): Promise<{ payload: Uint8Array; next: Model }> {
  const next = patchModel(base, diff);
  const header = {
    base: await fingerprint(openMemoryStore(base)),
    next: await fingerprint(openMemoryStore(next)),
    tensors: base.tensors,
    meta,
  };
  return { payload: await encodePayload(header, diff), next };
}

/** @returns one array with all the parts, one after the other */
export function concat(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return concatBytes(parts.map((part) => Uint8Array.from(part)));
}

/** @returns a payload body followed by the checksum that it deserves */
export async function seal(body: Uint8Array): Promise<Uint8Array> {
  return concat(body, [0xc4, 8], await xxh64(body));
}

/**
 * @returns the error that the call ends with; fails when there is none, or one that is not the package's own
 */
export async function errorOf(call: () => unknown): Promise<NeuralDiffError> {
  try {
    await call();
  } catch (error) {
    if (error instanceof NeuralDiffError) return error;
    throw error;
  }
  return expect.fail('expected a NeuralDiffError, got none');
}

/** @returns the code of the error that the call ends with */
export async function codeOf(call: () => unknown): Promise<string> {
  return (await errorOf(call)).code;
}

/** A store that counts what is done to it. */
export interface RecordingStore extends WeightStore {
  readonly counts: { reads: number; writes: number; bytesWritten: number; flushes: number };
}

/** @returns the store, counted; it hands out copies through a buffer that it reuses, to catch aliasing */
export function recordStore(store: WeightStore): RecordingStore {
  const counts = { reads: 0, writes: 0, bytesWritten: 0, flushes: 0 };
  return {
    counts,
    tensors: store.tensors,
    async readInto(name, byteOffset, target) {
      counts.reads++;
      await store.readInto(name, byteOffset, target);
    },
    async write(name, byteOffset, bytes) {
      counts.writes++;
      counts.bytesWritten += bytes.length;
      const copy = bytes.slice();
      await store.write(name, byteOffset, copy);
      copy.fill(0xdd);
    },
    async flush() {
      counts.flushes++;
      await store.flush();
    },
    close: () => store.close(),
  };
}
