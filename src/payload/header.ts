import {
  canonicalOrder,
  checkTensorInfos,
  compareNames,
  DTYPES,
  dtypeOfCode,
  isCleanText,
  MAX_NAME_BYTES,
  MAX_TENSORS,
  type TensorInfo,
} from '../model/index.js';
import { beyondLimit, corrupt } from './corrupt.js';
import type { Meta, Op, PayloadHeader } from './diff.js';
import { MAX_META_BYTES, MAX_META_ENTRIES, MAX_OPS } from './limits.js';
import type { Value } from './msgpack.js';

/** The first value of a payload: it names the version of format and arithmetic. */
export const MAGIC = 'ndiff0';

/** Number that stands for each op kind in a header. */
export const OP_CODES = { sparse: 1, hash: 2, dense: 3 } as const satisfies Record<Op['kind'], number>;

/** What the header says of one record. */
export interface RecordEntry {
  readonly kind: Op['kind'];
  readonly byteLength: number;
  /** Places in the tensor directory, ascending. */
  readonly tensors: readonly number[];
}

const KEYS = ['base', 'next', 'tensors', 'ops', 'meta'];
const META_KEY = /^[a-z][a-zA-Z0-9-]{0,31}$/;

/** @returns the header as the plain value that msgpack packs, keys in the format's order */
export function headerValue(header: PayloadHeader, records: readonly RecordEntry[]): Record<string, unknown> {
  let previous: string[] = [];
  const tensors = canonicalOrder(header.tensors).map((info) => {
    const name = [...info.name];
    const shared = sharedPrefix(previous, name);
    previous = name;
    return [shared, name.slice(shared).join(''), DTYPES[info.dtype].code, ...info.shape];
  });
  const ops = records.map((record) => [OP_CODES[record.kind], record.byteLength, ...record.tensors]);
  return { base: header.base, next: header.next, tensors, ops, meta: { ...header.meta } };
}

/** @returns the number of code points that two names, given as such, share at their start */
function sharedPrefix(a: readonly string[], b: readonly string[]): number {
  let shared = 0;
  while (shared < a.length && shared < b.length && a[shared] === b[shared]) shared++;
  return shared;
}

/**
 * Checks a decoded header.
 *
 * @param value what msgpack gave
 * @returns the header and what it says of the records
 * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`
 */
export function parseHeader(value: Value): { header: PayloadHeader; records: RecordEntry[] } {
  if (!(value instanceof Map) || [...value.keys()].join() !== KEYS.join()) {
    throw corrupt(`expected a header with the keys ${KEYS}`);
  }
  const [base, next, directory, ops, meta] = value.values();
  const tensors = parseDirectory(asList(directory));
  const records = asList(ops).map((entry) => parseRecord(asList(entry), tensors.length));
  if (records.length > MAX_OPS) throw beyondLimit('a number of ops', MAX_OPS, records.length);
  const header = { base: asFingerprint(base), next: asFingerprint(next), tensors, meta: parseMeta(meta) };
  return { header, records };
}

/** Checks each entry before the next is looked at: names grow on what stands before them. */
function parseDirectory(entries: readonly unknown[]): TensorInfo[] {
  if (entries.length > MAX_TENSORS)
    throw corrupt(`expected at most ${MAX_TENSORS} tensors, got ${entries.length}`);
  const tensors: TensorInfo[] = [];
  let previous: string[] = [];
  for (const entry of entries) {
    const { info, points } = parseTensor(asList(entry), previous);
    const last = tensors.at(-1);
    if (last && compareNames(last.name, info.name) >= 0)
      throw corrupt('the tensors are not in canonical order');
    tensors.push(info);
    previous = points;
  }
  return tensors;
}

function parseTensor(
  fields: readonly unknown[],
  previous: readonly string[],
): { info: TensorInfo; points: string[] } {
  const [shared, suffix, code, ...shape] = fields;
  const prefix = asUint(shared);
  const dtype = dtypeOfCode(asUint(code));
  if (typeof suffix !== 'string' || suffix.length > MAX_NAME_BYTES || prefix > previous.length) {
    throw corrupt('a tensor has no proper name');
  }
  if (dtype === undefined) throw corrupt(`a tensor has the unknown dtype ${String(code)}`);
  const points = [...previous.slice(0, prefix), ...suffix];
  if (sharedPrefix(previous, points) !== prefix) throw corrupt('a name is not in its shortest form');
  const info = { name: points.join(''), dtype, shape: shape.map(asUint) };
  try {
    checkTensorInfos([info]);
  } catch (cause) {
    throw corrupt('a tensor is out of bounds', cause);
  }
  return { info, points };
}

function parseRecord(entry: readonly unknown[], tensorCount: number): RecordEntry {
  const [code, byteLength, ...tensors] = entry.map(asUint);
  const kind = (Object.keys(OP_CODES) as Op['kind'][]).find((name) => OP_CODES[name] === code);
  if (kind === undefined || byteLength === undefined) throw corrupt(`unknown op ${String(code)}`);
  const ascending = tensors.every(
    (index, i) => index < tensorCount && (i === 0 || index > (tensors[i - 1] as number)),
  );
  if (!ascending || tensors.length === 0 || (kind !== 'hash' && tensors.length > 1)) {
    throw corrupt(`a ${kind} op names the tensors [${tensors}] of ${tensorCount}`);
  }
  return { kind, byteLength, tensors };
}

function parseMeta(value: Value | undefined): Meta {
  if (!(value instanceof Map)) throw corrupt('the metadata is not a map');
  const meta = Object.fromEntries(value) as Meta;
  checkMeta(meta);
  return meta;
}

/**
 * Checks metadata, whoever wrote it.
 *
 * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`
 */
export function checkMeta(meta: Meta): void {
  const entries = Object.entries(meta);
  if (entries.length > MAX_META_ENTRIES)
    throw beyondLimit('metadata entries', MAX_META_ENTRIES, entries.length);
  for (const [key, item] of entries) {
    if (!META_KEY.test(key)) throw corrupt('a metadata key is not a short plain name');
    const bytes = typeof item === 'string' ? new TextEncoder().encode(item).length : 0;
    if (typeof item === 'string' && !isCleanText(item))
      throw corrupt('a metadata text holds U+FEFF or a lone surrogate');
    if (bytes > MAX_META_BYTES) throw beyondLimit('metadata bytes', MAX_META_BYTES, bytes);
    if (typeof item !== 'string') asUint(item);
  }
}

function asList(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw corrupt('the header has something else where a list belongs');
  return value.slice();
}

function asUint(value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 0xffffffff) {
    throw corrupt('the header has something else where a whole number belongs');
  }
  return value;
}

function asFingerprint(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length !== 32)
    throw corrupt('expected fingerprints of 32 bytes');
  return value.slice();
}
