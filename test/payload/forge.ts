import { Packr } from 'msgpackr';
import { fingerprint, openMemoryStore } from '../../src/model/index.js';
import { concat, seal } from '../support.js';
import { smallBase } from './samples.js';

/** @returns a value as msgpack, in the shortest forms */
export function packValue(value: unknown): Uint8Array {
  return new Uint8Array(new Packr({ useRecords: false, variableMapSize: true }).pack(value));
}

/** @returns a sealed payload of any header value and any records, right or wrong */
export function forge(
  header: unknown,
  records: readonly Uint8Array[] = [],
  magic = 'ndiff0',
): Promise<Uint8Array> {
  return seal(concat(packValue(magic), packValue(header), ...records.map(packValue)));
}

/** @returns a sealed payload whose header is given in bytes */
export function forgeBytes(header: Uint8Array, ...rest: Uint8Array[]): Promise<Uint8Array> {
  return seal(concat(packValue('ndiff0'), header, ...rest));
}

/** @returns a header value for the small base without ops, with some fields changed */
export async function headerOf(fields: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
  const base = await fingerprint(openMemoryStore(smallBase()));
  return { base, next: base, tensors: directory(), ops: [], meta: {}, ...fields };
}

/** @returns the directory of the small base as header values */
export function directory(): unknown[][] {
  return [
    [0, 'a', 1, 6],
    [0, 'b/kernel', 2, 2, 5],
    [2, '重み', 5, 7],
  ];
}

/** @returns the fixed fields of a record, little-endian, each given as its type and its value */
export function fields(...list: readonly (readonly ['u8' | 'u32' | 'f32', number])[]): Uint8Array {
  const bytes: number[] = [];
  for (const [type, value] of list) {
    const view = new DataView(new ArrayBuffer(4));
    if (type === 'f32') view.setFloat32(0, value, true);
    else view.setUint32(0, value, true);
    bytes.push(...new Uint8Array(view.buffer).subarray(0, type === 'u8' ? 1 : 4));
  }
  return Uint8Array.from(bytes);
}
