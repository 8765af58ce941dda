import { concatBytes, fromHex, hex } from '../model/bytes.js';
import { describeTensor, FINGERPRINT_BYTES } from '../model/fingerprint.js';
import { canonicalOrder, isCleanText, type TensorInfo } from '../model/tensor.js';
import { xxh64 } from './checksum.js';
import type { Meta, Op, PayloadHeader } from './diff.js';
import { beyondLimit, corrupt, MAX_META_BYTES, MAX_META_ENTRIES, MAX_RECORDS } from './limits.js';
import type { Value } from './msgpack.js';

/** The first value of a payload: it names the version of format and arithmetic. */
export const MAGIC = 'ndiff1';

/** The format's version, which the magic ends with. */
export const FORMAT_VERSION = Number(MAGIC.slice('ndiff'.length));

/** Number that stands for each kind of record in a header. */
const RECORD_CODES = { sparse: 1, hash: 2, dense: 3, exact: 4, set: 5 } as const satisfies Record<
  Op['kind'],
  number
>;

/** Kind of a record's ops. */
export type RecordKind = Op['kind'];

const META_KEY = /^[a-z][a-zA-Z0-9-]{0,31}$/;

/**
 * Digests what ops refer to: names, dtypes and shapes of a model's tensors. Payloads carry no directory of their own;
 * this tells at once whether one was made for models like the one at hand.
 *
 * @param tensors in any order
 * @returns the lower 32 bits of XXH64 of the tensors' descriptions in canonical order
 */
export async function layoutOf(tensors: readonly TensorInfo[]): Promise<number> {
  const digest = await xxh64(concatBytes(canonicalOrder(tensors).map(describeTensor)));
  return new DataView(digest.buffer).getUint32(4);
}

/** @returns the header as the plain value that msgpack packs */
export function headerValue(header: PayloadHeader, kinds: readonly RecordKind[]): unknown[] {
  const { base, next, layout, meta } = header;
  return [fromHex(base), fromHex(next), layout, kinds.map((kind) => RECORD_CODES[kind]), { ...meta }];
}

/**
 * Checks a decoded header.
 *
 * @param value what msgpack gave
 * @returns the header and the kind of each record
 * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`
 */
export function parseHeader(value: Value): { header: PayloadHeader; kinds: RecordKind[] } {
  const fields = asList(value);
  if (fields.length !== 5) throw corrupt(`expected a header of 5 values, got ${fields.length}`);
  const [base, next, layout, codes, meta] = fields;
  const kinds = asList(codes).map(asKind);
  if (kinds.length > MAX_RECORDS) throw beyondLimit('a number of records', MAX_RECORDS, kinds.length);
  const header = {
    base: asFingerprint(base),
    next: asFingerprint(next),
    layout: asUint(layout),
    meta: parseMeta(meta),
  };
  return { header, kinds };
}

function asKind(code: unknown): RecordKind {
  const kind = (Object.keys(RECORD_CODES) as RecordKind[]).find((name) => RECORD_CODES[name] === code);
  if (kind === undefined) throw corrupt(`unknown record ${String(code)}`);
  return kind;
}

function parseMeta(value: unknown): Meta {
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
  return value;
}

function asUint(value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 0xffffffff) {
    throw corrupt('the header has something else where a whole number belongs');
  }
  return value;
}

function asFingerprint(value: unknown): string {
  if (!(value instanceof Uint8Array) || value.length !== FINGERPRINT_BYTES)
    throw corrupt(`expected fingerprints of ${FINGERPRINT_BYTES} bytes`);
  return hex(value);
}
