import { Packr } from 'msgpackr/pack';
import { concatBytes } from '../model/index.js';
import { type ByteSource, type Bytes, sourceOf } from './byte-source.js';
import { createChecksum } from './checksum.js';
import { beyondLimit } from './corrupt.js';
import type { PayloadHeader } from './diff.js';
import { headerValue, MAGIC, type RecordKind } from './header.js';
import { MAX_PAYLOAD_BYTES } from './limits.js';

/** A record that is written. */
export interface WrittenRecord {
  readonly kind: RecordKind;
  readonly bytes: Bytes;
}

/** Bytes of the checksum, a `bin`. */
const CHECKSUM_BYTES = 10;

/** A payload file in pieces. */
export interface FramedPayload {
  /** In order; read from the records as they are asked for. */
  readonly pieces: AsyncIterable<Uint8Array>;
  readonly payloadBytes: number;
}

/**
 * Puts header and checksum around records.
 *
 * @throws NeuralDiffError `limit-exceeded` for more bytes than payloads may have
 */
export function framePayload(header: PayloadHeader, records: readonly WrittenRecord[]): FramedPayload {
  const kinds = records.map(({ kind }) => kind);
  const values = [
    sourceOf(concatBytes([packValue(MAGIC), packValue(headerValue(header, kinds))])),
    ...records.flatMap(({ bytes }) => [sourceOf(binHead(bytes.length)), sourceOf(bytes)]),
  ];
  const payloadBytes = values.reduce((sum, { length }) => sum + length, CHECKSUM_BYTES);
  if (payloadBytes > MAX_PAYLOAD_BYTES)
    throw beyondLimit('bytes of a payload', MAX_PAYLOAD_BYTES, payloadBytes);
  return { pieces: withChecksum(values), payloadBytes };
}

/** @returns a payload file in one piece */
export async function joinPieces({ pieces }: FramedPayload): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return concatBytes(parts);
}

async function* withChecksum(values: readonly ByteSource[]): AsyncGenerator<Uint8Array> {
  const checksum = await createChecksum();
  for (const value of values) {
    for (let at = 0; at < value.length; ) {
      const piece = value.borrow(at);
      checksum.update(piece);
      yield piece;
      at += piece.length;
    }
  }
  yield packValue(checksum.digest());
}

function binHead(length: number): Uint8Array {
  const type = length < 2 ** 8 ? 0 : length < 2 ** 16 ? 1 : 2;
  const bytes = Array.from(
    { length: 1 << type },
    (_, i) => (length / 2 ** (8 * ((1 << type) - 1 - i))) & 255,
  );
  return Uint8Array.of(0xc4 + type, ...bytes);
}

/** Packs strings, whole numbers, lists, plain maps and `Uint8Array`s, each in its shortest form. */
function packValue(value: unknown): Uint8Array {
  const packed = new Packr({ useRecords: false, variableMapSize: true }).pack(value);
  // The packer hands out a view of a buffer that its next call overwrites.
  return new Uint8Array(packed);
}
