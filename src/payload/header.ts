import { concatBytes, fromHex, hex } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { describeTensor, FINGERPRINT_BYTES } from '../model/fingerprint.js';
import { canonicalOrder, isCleanText, type TensorInfo } from '../model/tensor.js';
import { encodeUtf8 } from '../model/text.js';
import { xxh64 } from './checksum.js';
import type { Meta, Op, PayloadHeader } from './diff.js';
import { beyondLimit, corrupt, MAX_META_BYTES, MAX_META_ENTRIES, MAX_RECORDS } from './limits.js';
import type { Value } from './msgpack.js';

/** The first value of a payload; it ends with the version of format and arithmetic. */
export const MAGIC = 'ndiff1';

/** The format's version, from the end of the magic. */
export const FORMAT_VERSION = Number(MAGIC.slice('ndiff'.length));

/** Code of each kind of record in a header. 6 is refused by the conformance kit: no kind may have it. */
export const RECORD_CODES = {
  sparse: 1,
  hash: 2,
  dense: 3,
  exact: 4,
  set: 5,
  'low-rank': 7,
  delta: 8,
} as const satisfies Record<Op['kind'], number>;

/** Code of the record that describes new files: the first one, if there is any. */
const FILES_CODE = 9;

/** Kind of a record: that of its ops, or `files`. */
export type RecordKind = Op['kind'] | 'files';

/** Unknown records are skipped from this code to `LAST_CODE`, and refused below. */
const FIRST_SKIPPABLE = 64;
const LAST_CODE = 127;

const META_KEY = /^[a-z][a-zA-Z0-9-]{0,31}$/;

/**
 * Computes a digest of the names, dtypes and shapes of a model's tensors.
 *
 * Payloads contain no directory of tensors; the digest tells whether a payload was made for this layout.
 *
 * @param tensors in any order
 * @returns the lower 32 bits of XXH64 of the tensors' descriptions in canonical order
 */
export async function layoutOf(tensors: readonly TensorInfo[]): Promise<number> {
  const digest = await xxh64(concatBytes(canonicalOrder(tensors).map(describeTensor)));
  return new DataView(digest.buffer).getUint32(4);
}

/** @returns the header as a plain value for msgpack */
export function headerValue(header: PayloadHeader, kinds: readonly RecordKind[]): unknown[] {
  const { base, next, layout, meta } = header;
  if (isUnchanged(header, kinds)) return [fromHex(base)];
  const codes = kinds.map((kind) => (kind === 'files' ? FILES_CODE : RECORD_CODES[kind]));
  return [fromHex(base), fromHex(next), layout, codes, { ...meta }];
}

/** @returns whether a payload says no more than that the model stays as it is */
function isUnchanged({ base, next, meta }: PayloadHeader, kinds: readonly unknown[]): boolean {
  return kinds.length === 0 && base === next && Object.keys(meta).length === 0;
}

/**
 * Checks a decoded header.
 *
 * @param value the value decoded from msgpack
 * @returns the header and the kind of each record, undefined for one of a later version that may be skipped
 * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`; `unsupported-version` for a record of a later
 *   version that must not be skipped
 */
export function parseHeader(value: Value): { header: PayloadHeader; kinds: (RecordKind | undefined)[] } {
  const fields = asList(value);
  const [base, next, layout, codes, meta] = fields;
  if (fields.length === 1) return { header: unchanged(asFingerprint(base)), kinds: [] };
  if (fields.length !== 5) throw corrupt(`expected a header of 5 values, or 1, got ${fields.length}`);
  const list = asList(codes);
  if (list.length > MAX_RECORDS) throw beyondLimit('records', MAX_RECORDS, list.length);
  const kinds = list.map(asKind);
  if (kinds.lastIndexOf('files') > 0) throw corrupt('expected the record of files first, and once');
  const header = {
    base: asFingerprint(base),
    next: asFingerprint(next),
    layout: asUint(layout),
    meta: parseMeta(meta),
  };
  return { header, kinds };
}

function unchanged(base: string): PayloadHeader {
  return { base, next: base, meta: {} };
}

function asKind(value: unknown): RecordKind | undefined {
  const code = asUint(value);
  if (code === FILES_CODE) return 'files';
  const kind = (Object.keys(RECORD_CODES) as Op['kind'][]).find((name) => RECORD_CODES[name] === code);
  if (kind !== undefined || (code >= FIRST_SKIPPABLE && code <= LAST_CODE)) return kind;
  if (code === 0 || code > LAST_CODE) throw corrupt(`invalid record kind ${code}`);
  const message = `Cannot read payload: expected records of kinds ${[...Object.values(RECORD_CODES), FILES_CODE]}, got ${code}, of a later version; update neural-diff`;
  throw new NeuralDiffError('unsupported-version', message);
}

function parseMeta(value: unknown): Meta {
  if (!(value instanceof Map)) throw corrupt('expected metadata to be a map');
  const meta = Object.fromEntries(value) as Meta;
  checkMeta(meta);
  return meta;
}

/**
 * Checks metadata, for both writers and readers.
 *
 * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`
 */
export function checkMeta(meta: Meta): void {
  const entries = Object.entries(meta);
  if (entries.length > MAX_META_ENTRIES)
    throw beyondLimit('metadata entries', MAX_META_ENTRIES, entries.length);
  for (const [key, item] of entries) {
    if (!META_KEY.test(key)) throw corrupt('invalid metadata key');
    const bytes = typeof item === 'string' ? encodeUtf8(item).length : 0;
    if (typeof item === 'string' && !isCleanText(item))
      throw corrupt('metadata contains U+FEFF or a lone surrogate');
    if (bytes > MAX_META_BYTES) throw beyondLimit('metadata bytes', MAX_META_BYTES, bytes);
    if (typeof item !== 'string') asUint(item);
  }
}

function asList(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw corrupt('expected a list in the header');
  return value;
}

function asUint(value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 0xffffffff) {
    throw corrupt('expected a whole number in the header');
  }
  return value;
}

function asFingerprint(value: unknown): string {
  if (!(value instanceof Uint8Array) || value.length !== FINGERPRINT_BYTES)
    throw corrupt(`expected fingerprints of ${FINGERPRINT_BYTES} bytes`);
  return hex(value);
}
