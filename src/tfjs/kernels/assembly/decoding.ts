import { levels as levelsOf } from './decode-contexts';
import { move as moveOf, set as setOf } from './decode-elements';

export { addOffsets, contexts } from './decode-contexts';
export { fewTokens, fillTable, magnitudes, tokens } from './decode-tokens';

/** Bits of an element, and 1 more for integers in two's complement. */
const BYTES: i32 = 8, SIGNED_BYTES: i32 = 9, HALVES: i32 = 16, SIGNED_HALVES: i32 = 17, SIGNED_WORDS: i32 = 33;

/** `levels` of elements of a form. */
export function levels(form: i32, data: usize, into: usize, count: i32, fraction: i32): void {
  if (form == HALVES) levelsOf<u16>(data, into, count, fraction);
  else if (form == BYTES) levelsOf<u8>(data, into, count, fraction);
  else if (form == SIGNED_BYTES) levelsOf<i8>(data, into, count, fraction);
  else if (form == SIGNED_HALVES) levelsOf<i16>(data, into, count, fraction);
  else if (form == SIGNED_WORDS) levelsOf<i32>(data, into, count, fraction);
  else levelsOf<u32>(data, into, count, fraction);
}

/** `move` for elements of a form. */
export function move(form: i32, data: usize, tokens: usize, magnitudes: usize, count: i32, fraction: i32): void {
  if (form == HALVES) moveOf<u16>(data, tokens, magnitudes, count, fraction);
  else if (form == BYTES) moveOf<u8>(data, tokens, magnitudes, count, fraction);
  else if (form == SIGNED_BYTES) moveOf<i8>(data, tokens, magnitudes, count, fraction);
  else if (form == SIGNED_HALVES) moveOf<i16>(data, tokens, magnitudes, count, fraction);
  else if (form == SIGNED_WORDS) moveOf<i32>(data, tokens, magnitudes, count, fraction);
  else moveOf<u32>(data, tokens, magnitudes, count, fraction);
}

/** `set` for elements of a form. */
export function set(form: i32, data: usize, tokens: usize, magnitudes: usize, count: i32, fraction: i32): void {
  if (form < HALVES) setOf<u8>(data, tokens, magnitudes, count, fraction);
  else if (form < 32) setOf<u16>(data, tokens, magnitudes, count, fraction);
  else setOf<u32>(data, tokens, magnitudes, count, fraction);
}
