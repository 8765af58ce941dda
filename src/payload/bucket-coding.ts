import { BitReader, BitWriter } from './bits.js';
import { corrupt } from './corrupt.js';
import type { Buckets } from './diff.js';

/** Number that stands for each bucket coding in a record. */
export const BUCKET_CODES = { float: 0, ternary: 1, sign: 2 } as const;

/** Five ternary digits fit a byte: 3^5 = 243. */
const TRITS_A_BYTE = 5;

/** @returns the bytes that buckets take */
export function bucketBytes(coding: Buckets['coding'], count: number): number {
  if (coding === 'float') return 4 * count;
  return Math.ceil(count / (coding === 'ternary' ? TRITS_A_BYTE : 8));
}

/** @returns the buckets packed: floats as they are, ternary ones five a byte, signs one a bit */
export function encodeBuckets(buckets: Buckets): Uint8Array {
  if (buckets.coding === 'ternary') return encodeTernary(buckets.values);
  if (buckets.coding === 'sign') return encodeSigns(buckets.values);
  const bytes = new Uint8Array(4 * buckets.values.length);
  const view = new DataView(bytes.buffer);
  buckets.values.forEach((value, i) => {
    view.setFloat32(4 * i, value, true);
  });
  return bytes;
}

function encodeTernary(values: Int8Array): Uint8Array {
  const bytes = new Uint8Array(bucketBytes('ternary', values.length));
  values.forEach((value, i) => {
    const byte = Math.floor(i / TRITS_A_BYTE);
    bytes[byte] = (bytes[byte] as number) + (value + 1) * 3 ** (i % TRITS_A_BYTE);
  });
  return bytes;
}

function encodeSigns(values: Int8Array): Uint8Array {
  const writer = new BitWriter();
  for (const value of values) writer.write(value < 0 ? 1 : 0, 1);
  return writer.finish();
}

/**
 * Reads buckets.
 *
 * @param bytes exactly the packed buckets
 * @param coding how they are packed
 * @param count how many there are, already checked against the limit
 * @returns the buckets
 * @throws NeuralDiffError `corrupt-payload` for another length, a digit that does not exist, a value that is no number
 */
export function decodeBuckets(bytes: Uint8Array, coding: Buckets['coding'], count: number): Buckets {
  if (bytes.length !== bucketBytes(coding, count)) {
    throw corrupt(
      `expected ${bucketBytes(coding, count)} bytes for ${count} ${coding} buckets, got ${bytes.length}`,
    );
  }
  if (coding === 'ternary') return { coding, values: decodeTernary(bytes, count) };
  if (coding === 'sign') return { coding, values: decodeSigns(bytes, count) };
  return { coding, values: decodeFloats(bytes, count) };
}

function decodeFloats(bytes: Uint8Array, count: number): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const value = view.getFloat32(4 * i, true);
    if (!Number.isFinite(value)) throw corrupt(`bucket ${i} is not a finite number`);
    values[i] = value;
  }
  return values;
}

function decodeTernary(bytes: Uint8Array, count: number): Int8Array {
  const values = new Int8Array(count);
  for (let start = 0; start < count; start += TRITS_A_BYTE) {
    let digits = bytes[start / TRITS_A_BYTE] as number;
    for (let i = start; i < Math.min(start + TRITS_A_BYTE, count); i++) {
      values[i] = (digits % 3) - 1;
      digits = Math.floor(digits / 3);
    }
    if (digits !== 0) throw corrupt('a byte of ternary buckets is out of range');
  }
  return values;
}

function decodeSigns(bytes: Uint8Array, count: number): Int8Array {
  const reader = new BitReader(bytes);
  const values = new Int8Array(count);
  for (let i = 0; i < count; i++) values[i] = reader.read(1) === 1 ? -1 : 1;
  reader.expectEnd();
  return values;
}
