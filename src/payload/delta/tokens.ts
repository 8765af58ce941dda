import type { ElementForm } from './elements.js';

/** Number of tokens: they fit into a byte. */
export const TOKENS = 256;

/** Classes of magnitudes that tokens of new elements tell apart; others are written whole. */
const CLASSES = 62;

/** How tokens stand for the elements of a segment. */
export interface TokenForm {
  readonly form: ElementForm;
  /** Whether tokens stand for new elements; for differences to the base otherwise. */
  readonly isNew: boolean;
  /** The largest class of a magnitude of a new element of 16 or 32 bits. */
  readonly top: number;
}

/** Tokens and the magnitudes they stand for: `first[token]` plus `bits[token]` raw bits. */
export interface TokenTable {
  /** Smallest magnitude of a token. */
  readonly first: Uint32Array;
  /** Raw bits that follow a token, 0 to 31; `INVALID` for numbers that are no token. */
  readonly bits: Uint8Array;
}

/** In place of the raw bits of what is no token. */
export const INVALID = 255;

/**
 * Lists the tokens of a segment.
 *
 * - Elements of 8 bits: the difference or the new element itself.
 * - Differences: `4 * class + 2 * half + sign` with class the bits of the absolute value, half the bit below
 * its highest one. The other bits are raw. 0 is no difference; the sign is relative to that of the base.
 * - New elements: `4 * (class - top + CLASSES) + 2 * half + sign`; 0 and 1 are zeros, 2 and 3 come before
 * magnitudes of other classes, all their bits raw.
 */
export function tokenTable({ form, isNew, top }: TokenForm): TokenTable {
  const table = { first: new Uint32Array(TOKENS), bits: new Uint8Array(TOKENS).fill(INVALID) };
  if (form.width === 8) {
    table.bits.fill(0);
    table.first.forEach((_, token) => {
      table.first[token] = token;
    });
  } else if (isNew) {
    addNew(table, form, top);
  } else {
    addClass(table, { token: 0, first: 0, bits: 0, signs: 1 });
    for (let size = 1; size <= form.width; size++) addHalves(table, size, { size, signs: 2 });
  }
  return table;
}

function addNew(table: TokenTable, form: ElementForm, top: number): void {
  const { fraction, width } = form;
  const signs = form.sign !== 0 || form.isSigned ? 2 : 1;
  addClass(table, { token: 0, first: 0, bits: 0, signs });
  if (form.sign !== 0) addClass(table, { token: 2, first: 0, bits: width - 1, signs });
  for (let index = 1; index <= CLASSES; index++) {
    const size = top - CLASSES + index;
    if (size < 1 || size > classes(form)) continue;
    if (size <= fraction) addHalves(table, index, { size, signs });
    else addExponent(table, index, { exponent: size - fraction, fraction, signs });
  }
}

/** @returns the number of classes of magnitudes: of floats one for each exponent */
export function classes({ sign, width, fraction }: ElementForm): number {
  return sign === 0 ? width : 2 ** (width - 1 - fraction) - 1 + fraction;
}

/** @returns the class of a magnitude, 0 for 0 */
export function classOf(magnitude: number, { fraction }: ElementForm): number {
  const exponent = fraction < 32 ? magnitude >>> fraction : 0;
  return exponent > 0 ? exponent + fraction : 32 - Math.clz32(magnitude);
}

interface TokenRange {
  readonly token: number;
  readonly first: number;
  readonly bits: number;
  readonly signs: number;
}

function addClass({ first, bits }: TokenTable, range: TokenRange): void {
  for (let sign = 0; sign < range.signs; sign++) {
    first[range.token + sign] = range.first;
    bits[range.token + sign] = range.bits;
  }
}

/** Adds the magnitudes of `size` bits in two halves; those of one bit have only one. */
function addHalves(table: TokenTable, index: number, { size, signs }: { size: number; signs: number }): void {
  const bits = Math.max(0, size - 2);
  const first = 2 ** (size - 1);
  addClass(table, { token: 4 * index, first, bits, signs });
  if (size > 1) addClass(table, { token: 4 * index + 2, first: first + 2 ** bits, bits, signs });
}

/** Adds the magnitudes of floats of one exponent in two halves. */
function addExponent(
  table: TokenTable,
  index: number,
  { exponent, fraction, signs }: { exponent: number; fraction: number; signs: number },
): void {
  const bits = fraction - 1;
  const first = exponent * 2 ** fraction;
  addClass(table, { token: 4 * index, first, bits, signs });
  addClass(table, { token: 4 * index + 2, first: first + 2 ** bits, bits, signs });
}

/** @returns the token of a new element of 16 or 32 bits */
export function tokenOfNew(magnitude: number, sign: number, { form, top }: TokenForm): number {
  if (magnitude === 0) return sign;
  const size = classOf(magnitude, form);
  const index = size - top + CLASSES;
  if (index < 1 || index > CLASSES) return 2 + sign;
  const below = size > form.fraction ? form.fraction - 1 : size - 2;
  const half = below < 0 ? 0 : (magnitude >>> below) & 1;
  return 4 * index + 2 * half + sign;
}

/** @returns the token of a difference of elements of 16 or 32 bits, given its absolute value */
export function tokenOfDifference(absolute: number, sign: number): number {
  if (absolute === 0) return 0;
  const size = 32 - Math.clz32(absolute);
  // The bit below the highest one, which a magnitude of 1 does not have.
  const half = size === 1 ? 0 : (absolute >>> (size - 2)) & 1;
  return (size << 2) | (half << 1) | sign;
}
