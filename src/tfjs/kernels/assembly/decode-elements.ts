import { magnitudeOf } from './decode-contexts';

// Elements of the next model from tokens and magnitudes.

/** Whether an element of the base is negative. */
@inline
function signOf<T>(word: T, fraction: i32): u32 {
  if (fraction < 32) return <u32>word >>> (8 * sizeof<T>() - 1);
  return isSigned<T>() && <i32>word < 0 ? 1 : 0;
}

/** The ordinal number of a float of 16 or 32 bits, and back: those below 0 are inverted but for the sign. */
@inline
function ordered<T>(words: v128): v128 {
  if (sizeof<T>() == 2) return v128.xor(words, i16x8.shr_u(i16x8.shr_s(words, 15), 1));
  return v128.xor(words, i32x4.shr_u(i32x4.shr_s(words, 31), 1));
}

/** Adds differences to the ordinal numbers of 4 floats of 32 bits. */
@inline
function moveFour(data: usize, tokens: usize, magnitudes: usize): void {
  const words = v128.load(data);
  const signs = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(tokens)));
  const negative = i32x4.shr_s(i32x4.shl(v128.xor(signs, i32x4.shr_u(words, 31)), 31), 31);
  const differences = i32x4.sub(v128.xor(v128.load(magnitudes), negative), negative);
  v128.store(data, ordered<u32>(i32x4.add(ordered<u32>(words), differences)));
}

/** Adds differences to the ordinal numbers of 8 floats of 16 bits. */
@inline
function moveEight(data: usize, tokens: usize, magnitudes: usize): void {
  const words = v128.load(data);
  const signs = i16x8.extend_low_i8x16_u(v128.load64_zero(tokens));
  const negative = i16x8.shr_s(i16x8.shl(v128.xor(signs, i16x8.shr_u(words, 15)), 15), 15);
  // The lower halves of the magnitudes.
  const lower = i8x16.shuffle(
    v128.load(magnitudes),
    v128.load(magnitudes, 16),
    0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29,
  );
  const differences = i16x8.sub(v128.xor(lower, negative), negative);
  v128.store(data, ordered<u16>(i16x8.add(ordered<u16>(words), differences)));
}

/**
 * Adds differences to the ordinal numbers of `count` elements.
 *
 * @param data elements of the base
 * @param tokens u8 each: the lowest bit is the sign, but not for elements of 8 bits
 * @param magnitudes u32 each
 * @param fraction bits of a float's fraction, 32 for integers
 */
export function move<T>(data: usize, tokens: usize, magnitudes: usize, count: i32, fraction: i32): void {
  let i = 0;
  if (fraction < 32 && sizeof<T>() == 2)
    for (; i + 8 <= count; i += 8) moveEight(data + 2 * i, tokens + i, magnitudes + 4 * i);
  if (fraction < 32 && sizeof<T>() == 4)
    for (; i + 4 <= count; i += 4) moveFour(data + 4 * i, tokens + i, magnitudes + 4 * i);
  for (; i < count; i++) {
    const at = data + i * sizeof<T>();
    const word = load<T>(at);
    const sign = sizeof<T>() == 1 ? 0 : <u32>load<u8>(tokens + i) & 1;
    const magnitude = load<u32>(magnitudes + 4 * i);
    const difference = (sign ^ signOf<T>(word, fraction)) != 0 ? 0 - magnitude : magnitude;
    store<T>(at, <T>moved<T>(<u32>word, difference, fraction));
  }
}

@inline
function moved<T>(word: u32, difference: u32, fraction: i32): u32 {
  if (fraction == 32) return word + difference;
  const sign = <u32>1 << (8 * sizeof<T>() - 1);
  const ordinal = ((word & sign) != 0 ? ~word : word ^ sign) + difference;
  return (ordinal & sign) == 0 ? ~ordinal : ordinal ^ sign;
}

/** Stores `count` new elements; parameters as in `move`. */
export function set<T>(data: usize, tokens: usize, magnitudes: usize, count: i32, fraction: i32): void {
  for (let i = 0; i < count; i++) {
    const sign = sizeof<T>() == 1 ? 0 : <u32>load<u8>(tokens + i) & 1;
    const magnitude = load<u32>(magnitudes + 4 * i);
    const negative = fraction < 32 ? magnitude | (sign << (8 * sizeof<T>() - 1)) : 0 - magnitude;
    store<T>(data + i * sizeof<T>(), <T>(sign != 0 ? negative : magnitude));
  }
}
