import { equalBytes } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { type ByteSource, type Bytes, joinBytes, joinSources, sliceOf, sourceOf } from './byte-source.js';
import { xxh64 } from './checksum.js';
import type { Op, PayloadHeader } from './diff.js';
import { MAGIC, parseHeader } from './header.js';
import { beyondLimit, corrupt, MAX_PAYLOAD_BYTES } from './limits.js';
import { borrowValue, MAX_BIN_HEAD_BYTES, readBinHead } from './msgpack.js';

/** Bytes of the checksum, the last value: a `bin` of 8 bytes with its 2-byte head. */
export const CHECKSUM_BYTES = 10;

/** Bytes in which a header must end: the limits of its values allow less. */
const HEADER_WINDOW = 2 ** 19;

/** Upper half of the first byte of a list of at most 15 values. */
const LIST = 9;

/** A payload whose header has been read; its records have not. */
export interface OpenPayload {
  readonly header: PayloadHeader;
  /**
   * Kind and bytes of each record, in order, without those of a later version that may be skipped; valid as
   * long as the payload.
   */
  readonly records: readonly { readonly kind: Op['kind']; readonly bytes: ByteSource }[];
  /** The record that describes new files. With it, the other records are about the tensors of these files. */
  readonly files?: ByteSource;
}

/**
 * Opens an untrusted payload: checks its length, magic, checksum and header, then the bounds of each record.
 *
 * @param payload the payload file, in memory or not; it must not change while it is in use
 * @throws NeuralDiffError `not-a-payload`, `unsupported-version`, `corrupt-payload`, `limit-exceeded`
 *
 * @example
 * const { header } = await openPayload(await readPayload('v2.ndiff'));
 * console.log(header.base, header.next);
 */
export async function openPayload(payload: Bytes): Promise<OpenPayload> {
  const source = sourceOf(payload);
  if (source.length > MAX_PAYLOAD_BYTES)
    throw beyondLimit('bytes of a payload', MAX_PAYLOAD_BYTES, source.length);
  checkMagic(source);
  await checkChecksum(source);
  const { end, ...opened } = readRecords(source);
  if (end !== source.length - CHECKSUM_BYTES) throw corrupt(`expected the checksum at byte ${end}`);
  return opened;
}

/** Reads the header and the bounds of each record; `end` is where the last one ends. */
function readRecords(source: ByteSource): OpenPayload & { readonly end: number } {
  const headerStart = 1 + MAGIC.length;
  const { value, end: headerEnd } = borrowValue(joinBytes(source, headerStart + HEADER_WINDOW), headerStart);
  const { header, kinds } = parseHeader(value);
  let end = headerEnd;
  let files: ByteSource | undefined;
  const records = kinds.flatMap((kind) => {
    const { content, end: recordEnd } = recordAt(source, end);
    end = recordEnd;
    if (kind === 'files') files = content;
    return kind === undefined || kind === 'files' ? [] : [{ kind, bytes: content }];
  });
  return { header, records, end, ...(files && { files }) };
}

/** Reads a record: binary data, or several in a list, one behind the other. */
function recordAt(source: ByteSource, at: number): { content: ByteSource; end: number } {
  const [first = 0] = at < source.length ? joinBytes(sliceOf(source, at, at + 1)) : [];
  if (first >> 4 !== LIST) return binAt(source, at);
  if (first % 16 < 2) throw corrupt(`the list at byte ${at} has fewer than two parts`);
  const parts: ByteSource[] = [];
  let end = at + 1;
  while (parts.length < first % 16) {
    const part = binAt(source, end);
    if (part.content.length === 0) throw corrupt(`a part of a record is empty at byte ${end}`);
    parts.push(part.content);
    end = part.end;
  }
  return { content: joinSources(parts), end };
}

function binAt(source: ByteSource, at: number): { content: ByteSource; end: number } {
  const least = at + 2;
  if (least > source.length) throw truncated(source, least + CHECKSUM_BYTES);
  const head = joinBytes(sliceOf(source, at, Math.min(at + MAX_BIN_HEAD_BYTES, source.length)));
  const { value: length, end: headBytes } = readBinHead(head, 0);
  const end = at + headBytes + length;
  if (end > source.length) throw truncated(source, end + CHECKSUM_BYTES);
  return { content: sliceOf(source, at + headBytes, end), end };
}

function checkMagic(source: ByteSource): void {
  const start = String.fromCharCode(...joinBytes(source, 1 + MAGIC.length));
  const family = String.fromCharCode(0xa0 + MAGIC.length) + MAGIC.slice(0, -1);
  if (!start.startsWith(family) || start.length === family.length) {
    throw new NeuralDiffError('not-a-payload', `Cannot read payload: expected it to start with "${MAGIC}"`);
  }
  if (start.slice(1) !== MAGIC) {
    const message = `Cannot read payload: expected format "${MAGIC}", got "${start.slice(1)}"; update neural-diff`;
    throw new NeuralDiffError('unsupported-version', message);
  }
}

async function checkChecksum(source: ByteSource): Promise<void> {
  const body = source.length - CHECKSUM_BYTES;
  if (body < 1 + MAGIC.length) throw corrupt('too short');
  const expected = Uint8Array.of(BIN_8, 8, ...(await xxh64(sliceOf(source, 0, body))));
  if (equalBytes(joinBytes(sliceOf(source, body, source.length)), expected)) return;
  throw damageOf(source);
}

/** @returns what is wrong with a payload whose checksum is: it may have been cut short */
function damageOf(source: ByteSource): NeuralDiffError {
  try {
    const needed = readRecords(source).end + CHECKSUM_BYTES;
    if (needed > source.length) return truncated(source, needed);
  } catch (error) {
    if (error instanceof NeuralDiffError && error.code === 'corrupt-payload') return error;
  }
  return corrupt('the checksum does not match');
}

/** First byte of binary data of at most 255 bytes. */
const BIN_8 = 0xc4;

const truncated = ({ length }: ByteSource, needed: number): NeuralDiffError =>
  corrupt(`truncated: it has ${length} of at least ${needed} bytes`);
