import { asBytes, type StoredType } from '../model/index.js';

/** The class of a type in its first byte. */
const CLASS_BITS = 15;

/** Numbers of the classes of types; the texts say what those that are refused are. */
const INTEGER = 0;
const FLOAT = 1;
const OPAQUE = 5;
const ENUMERATION = 8;
const OTHERS: Readonly<Record<number, string>> = {
  2: 'times',
  3: 'texts',
  4: 'bits',
  5: 'of no bytes',
  6: 'records',
  7: 'references',
  8: 'enumerations',
  9: 'texts or lists of any length',
  10: 'arrays',
  11: 'complex numbers',
};

/** Integers by their bytes; a minus for those with a sign. */
const INTEGERS: Readonly<Record<string, StoredType>> = {
  '1': { dtype: 'uint8' },
  '-1': { dtype: 'int8' },
  '2': asBytes(2),
  '-2': asBytes(2),
  '4': asBytes(4),
  '-4': { dtype: 'int32' },
  '8': asBytes(8),
  '-8': asBytes(8),
};

/** Floats by their bytes, and the place of the exponent, its bits, the place of the mantissa, its bits, the bias. */
const FLOATS: Readonly<Record<string, StoredType>> = {
  '4: 23 8 0 23 127': { dtype: 'float32' },
  '2: 10 5 0 10 15': { dtype: 'float16' },
  '2: 7 8 0 7 127': { dtype: 'bfloat16' },
  '8: 52 11 0 52 1023': asBytes(8),
};

/** @returns how many bytes of a type's description tell what it is, by its first byte */
export function typeBytes(first: number): number {
  return [12, 20][first & CLASS_BITS] ?? 8;
}

/**
 * @param view of a type's description, of `typeBytes`
 * @returns the type, or what stands against it
 */
export function readType(view: DataView): StoredType | string {
  const kind = view.getUint8(0) & CLASS_BITS;
  const flags = view.getUint8(1);
  const bytes = view.getUint32(4, true);
  // Enumerations of a byte are booleans.
  if (kind === ENUMERATION && bytes === 1) return { dtype: 'uint8' };
  if (kind === OPAQUE && bytes > 0) return bytes === 1 ? { dtype: 'uint8' } : asBytes(bytes);
  if (kind !== INTEGER && kind !== FLOAT) return OTHERS[kind] ?? `of class ${kind}`;
  if (bytes > 1 && (flags & 1) !== 0) return 'big-endian';
  const isPacked = view.getUint16(8, true) === 0 && view.getUint16(10, true) === 8 * bytes;
  const found = kind === INTEGER ? INTEGERS[flags & 8 ? -bytes : bytes] : floatOf(view, bytes);
  return isPacked && found ? found : `numbers of a kind of their own, of ${bytes} bytes`;
}

function floatOf(view: DataView, bytes: number): StoredType | undefined {
  if (bytes === 1) return { dtype: 'uint8' };
  const fields = [12, 13, 14, 15].map((at) => view.getUint8(at));
  return FLOATS[`${bytes}: ${fields.join(' ')} ${view.getUint32(16, true)}`];
}
