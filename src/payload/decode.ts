import { equalBytes, NeuralDiffError, type TensorInfo } from '../model/index.js';
import { xxh64 } from './checksum.js';
import { beyondLimit, corrupt } from './corrupt.js';
import { decodeDenseOp } from './dense-op.js';
import type { Op, Payload } from './diff.js';
import { decodeHashOp } from './hash-op.js';
import { MAGIC, parseHeader, type RecordEntry } from './header.js';
import { MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES } from './limits.js';
import { borrowValue } from './msgpack.js';
import { decodeSparseOp } from './sparse-op.js';

/** Bytes of the last value: a `bin` of 8 bytes. */
const CHECKSUM_BYTES = 10;

/**
 * Reads a payload, suspicious of every byte: length, magic, checksum, header, then each op against the header.
 *
 * @param bytes the payload file
 * @returns header and diff; every position, count and scale within its bounds
 * @throws NeuralDiffError `not-a-payload`, `unsupported-version`, `corrupt-payload`, `limit-exceeded`
 */
export async function decodePayload(bytes: Uint8Array): Promise<Payload> {
  if (bytes.length > MAX_PAYLOAD_BYTES)
    throw beyondLimit('bytes of a payload', MAX_PAYLOAD_BYTES, bytes.length);
  checkMagic(bytes);
  await checkChecksum(bytes);
  const headerStart = 1 + MAGIC.length;
  const { value, end } = borrowValue(bytes.subarray(0, headerStart + MAX_HEADER_BYTES), headerStart);
  const { header, records } = parseHeader(value);
  const ops: Op[] = [];
  let at = end;
  for (const entry of records) {
    const record = borrowBin(bytes, at);
    ops.push(decodeOp(record.content, entry, header.tensors));
    at = record.end;
  }
  if (at !== bytes.length - CHECKSUM_BYTES) throw corrupt(`expected the checksum at byte ${at}`);
  return { header, diff: { ops } };
}

function borrowBin(bytes: Uint8Array, at: number): { content: Uint8Array; end: number } {
  // Looked at first: a list of a gigabyte would be read whole before it is refused.
  const type = bytes[at] as number;
  if (!(type >= 0xc4 && type <= 0xc6)) throw corrupt(`expected binary data at byte ${at}`);
  const { value, end } = borrowValue(bytes, at);
  return { content: value as Uint8Array, end };
}

function checkMagic(bytes: Uint8Array): void {
  const start = String.fromCharCode(...bytes.subarray(0, 1 + MAGIC.length));
  const family = String.fromCharCode(0xa0 + MAGIC.length) + MAGIC.slice(0, -1);
  if (!start.startsWith(family) || start.length === family.length) {
    throw new NeuralDiffError('not-a-payload', `Cannot read payload: expected it to start with "${MAGIC}"`);
  }
  if (start.slice(1) !== MAGIC) {
    const message = `Cannot read payload: expected format "${MAGIC}", got "${start.slice(1)}"; a newer reader is needed`;
    throw new NeuralDiffError('unsupported-version', message);
  }
}

async function checkChecksum(bytes: Uint8Array): Promise<void> {
  const body = bytes.length - CHECKSUM_BYTES;
  if (body < 1 + MAGIC.length) throw corrupt(`${bytes.length} bytes are too few`);
  const { content, end } = borrowBin(bytes, body);
  if (content.length !== 8 || end !== bytes.length) throw corrupt('it does not end with a checksum');
  if (!equalBytes(content, await xxh64(bytes.subarray(0, body))))
    throw corrupt('the checksum does not match');
}

function decodeOp(record: Uint8Array, entry: RecordEntry, tensors: readonly TensorInfo[]): Op {
  if (record.length !== entry.byteLength) {
    throw corrupt(`expected an op of ${entry.byteLength} bytes, got ${record.length}`);
  }
  const infos = entry.tensors.map((index) => tensors[index] as TensorInfo);
  if (entry.kind === 'hash') return decodeHashOp(record, infos);
  const [info] = infos as [TensorInfo];
  return entry.kind === 'sparse' ? decodeSparseOp(record, info) : decodeDenseOp(record, info);
}
