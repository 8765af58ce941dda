import { Packr } from 'msgpackr/pack';
import { canonicalOrder, concatBytes, type TensorInfo } from '../model/index.js';
import { checkOp } from './check-op.js';
import { xxh64 } from './checksum.js';
import { encodeDenseOp } from './dense-op.js';
import { type Diff, type Op, type PayloadHeader, tensorsOf } from './diff.js';
import { encodeHashOp } from './hash-op.js';
import { checkMeta, headerValue, MAGIC, type RecordEntry } from './header.js';
import { encodeSparseOp } from './sparse-op.js';

export { denseOpBytes } from './dense-op.js';
export { hashOpBytes } from './hash-op.js';
export { sparseOpBytes } from './sparse-op.js';

/** What is known of an op's record before it is made. */
export interface OpSize {
  readonly kind: Op['kind'];
  /** In canonical order. */
  readonly tensors: readonly string[];
  readonly byteLength: number;
}

/**
 * Packs a diff. The same header and diff give the same bytes, on any machine.
 *
 * @param header fingerprints of base and next, the model's tensors in any order, metadata
 * @param diff the ops; the tensors of a hash op in canonical order
 * @returns the payload file
 * @throws RangeError for an op that names a tensor which the header does not have, or its tensors out of order, or has
 *   values out of range; for metadata that a reader would refuse
 */
export async function encodePayload(header: PayloadHeader, diff: Diff): Promise<Uint8Array> {
  checkInput(header, diff);
  const directory = new Map(canonicalOrder(header.tensors).map((info, index) => [info.name, index]));
  const records = diff.ops.map(encodeOp);
  const entries = diff.ops.map((op, i) => recordEntry(op, (records[i] as Uint8Array).length, directory));
  const values = [MAGIC, headerValue(header, entries), ...records].map(packValue);
  const body = concatBytes(values);
  return concatBytes([body, packValue(await xxh64(body))]);
}

/**
 * Computes the bytes that everything but the records' contents takes: what a byte budget must leave room for.
 *
 * @param tensors the model's tensors
 * @param ops the kind and tensors of each op, and the bytes of its record
 * @param meta the metadata
 * @returns bytes of the whole payload file
 */
export function payloadBytes(
  tensors: readonly TensorInfo[],
  ops: readonly OpSize[],
  meta: PayloadHeader['meta'] = {},
): number {
  const directory = new Map(canonicalOrder(tensors).map((info, index) => [info.name, index]));
  const entries = ops.map((op) => ({ ...op, tensors: op.tensors.map((name) => placeOf(name, directory)) }));
  const blank = new Uint8Array(32);
  const header = packValue(headerValue({ base: blank, next: blank, tensors, meta }, entries)).length;
  const records = ops.reduce((sum, op) => sum + binHeadBytes(op.byteLength) + op.byteLength, 0);
  return packValue(MAGIC).length + header + records + 2 + 8;
}

/** What a reader would refuse is the caller's mistake here. */
function checkInput(header: PayloadHeader, diff: Diff): void {
  try {
    checkMeta(header.meta);
  } catch (cause) {
    throw new RangeError(`Cannot pack metadata: ${(cause as Error).message}`, { cause });
  }
  const infos = new Map(header.tensors.map((info) => [info.name, info]));
  for (const op of diff.ops)
    checkOp(
      op,
      tensorsOf(op).map((name) => infos.get(name) ?? unknownTensor(name)),
    );
}

function unknownTensor(name: string): never {
  throw new RangeError(`Cannot pack diff: the header has no tensor "${name}"`);
}

function binHeadBytes(length: number): number {
  if (length < 2 ** 8) return 2;
  return length < 2 ** 16 ? 3 : 5;
}

function encodeOp(op: Op): Uint8Array {
  if (op.kind === 'sparse') return encodeSparseOp(op);
  return op.kind === 'hash' ? encodeHashOp(op) : encodeDenseOp(op);
}

function recordEntry(op: Op, byteLength: number, directory: ReadonlyMap<string, number>): RecordEntry {
  const tensors = tensorsOf(op).map((name) => placeOf(name, directory));
  if (tensors.some((place, i) => i > 0 && place <= (tensors[i - 1] as number))) {
    throw new RangeError('Cannot pack diff: expected the tensors of a hash op in canonical order');
  }
  return { kind: op.kind, byteLength, tensors };
}

function placeOf(name: string, directory: ReadonlyMap<string, number>): number {
  const place = directory.get(name);
  return place ?? unknownTensor(name);
}

/** Packs strings, whole numbers, lists, plain maps and `Uint8Array`s, each in its shortest form. */
function packValue(value: unknown): Uint8Array {
  const packed = new Packr({ useRecords: false, variableMapSize: true }).pack(value);
  // The packer hands out a view of a buffer that its next call overwrites.
  return new Uint8Array(packed);
}
