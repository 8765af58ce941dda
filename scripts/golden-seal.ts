import { Packr } from 'msgpackr';
import { concatBytes } from '../src/model/bytes.js';
import type { ErrorCode } from '../src/model/errors.js';
import { fingerprint } from '../src/model/fingerprint.js';
import { openMemoryStore } from '../src/model/store.js';
import type { Model } from '../src/model/tensor.js';
import { xxh64 } from '../src/payload/checksum.js';
import { layoutOf } from '../src/payload/header.js';

/** A payload that every reader must refuse, the model to try it on, and the code of the error. */
export interface Refused {
  readonly code: ErrorCode;
  make(): Promise<{ payload: Uint8Array; model: Model }>;
}

/** @returns a value as msgpack, in the shortest forms */
export function pack(value: unknown): Uint8Array {
  return new Uint8Array(new Packr({ useRecords: false, variableMapSize: true }).pack(value));
}

/** @returns the bytes of some hexadecimal digits, whatever stands between them */
export function raw(digits: string): Uint8Array {
  return Uint8Array.from(digits.match(/[0-9a-f]{2}/g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** @returns all parts and the checksum that they deserve */
export async function seal(...parts: Uint8Array[]): Promise<Uint8Array> {
  const body = concatBytes(parts);
  return concatBytes([body, raw('c408'), await xxh64(body)]);
}

/** @returns the values of a header without records, by name; in their order in a payload */
export async function header(model: Model) {
  const identity = raw(await fingerprint(openMemoryStore(model)));
  const layout = await layoutOf(model.tensors);
  return { base: identity, next: identity, layout, kinds: [] as number[], meta: {} };
}
