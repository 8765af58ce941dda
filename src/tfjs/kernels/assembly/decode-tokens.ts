// Tokens of a segment: range asymmetric numeral systems with eight interleaved states.

/** Bits of a table's index, and of what a state takes in at a time. */
const TOTAL_BITS: u32 = 12;
const TOTAL_MASK: u32 = 4095;
const LEAST: u32 = 0x8000;

/**
 * Fills a table: for each of 4,096 slots the token, its place among those of the token, and the frequency
 * less 1.
 *
 * @param frequencies u16 for each of 256 tokens, 4,096 together
 */
export function fillTable(frequencies: usize, table: usize): void {
  for (let token: u32 = 0; token < 256; token++) {
    const frequency = <u32>load<u16>(frequencies + 2 * token);
    if (frequency == 0) continue;
    let slot = (token << 24) | (frequency - 1);
    for (let place: u32 = 0; place < frequency; place++, table += 4, slot += 1 << TOTAL_BITS)
      store<u32>(table, slot);
  }
}

/** The slot of a state in the table of an element's context. */
@inline
function slotOf(tables: usize, contexts: usize, state: u32): u32 {
  const table = load<u32>(tables + ((<usize>load<u8>(contexts)) << 2));
  return load<u32>(table + ((<usize>(state & TOTAL_MASK)) << 2));
}

/** The state behind a slot, before it takes in more. */
@inline
function stateAfter(state: u32, slot: u32): u32 {
  return ((slot & TOTAL_MASK) + 1) * (state >>> TOTAL_BITS) + ((slot >>> TOTAL_BITS) & TOTAL_MASK);
}

/** A state of at least `LEAST`: with the half at an address below its bits, if it was smaller. */
@inline
function filled(state: u32, half: usize): u32 {
  return select<u32>((state << 16) | <u32>load<u16>(half), state, state < LEAST);
}

/** The address of the next half. */
@inline
function halfAfter(half: usize, state: u32): usize {
  return half + ((<usize>(state < LEAST)) << 1);
}

/** Decodes tokens of neighbouring elements, of which the first uses state `lane`. @returns the next half */
export function fewTokens(
  contexts: usize,
  into: usize,
  count: i32,
  states: usize,
  lane: i32,
  tables: usize,
  half: usize,
): usize {
  for (let i = 0; i < count; i++) {
    const at = states + (((lane + i) & 7) << 2);
    const slot = slotOf(tables, contexts + i, load<u32>(at));
    const state = stateAfter(load<u32>(at), slot);
    store<u32>(at, filled(state, half));
    half = halfAfter(half, state);
    store<u8>(into + i, <u8>(slot >>> 24));
  }
  return half;
}

/**
 * Decodes tokens of neighbouring elements, eight at a time, the first of which uses the first state.
 *
 * @param contexts u8 each
 * @param into receives u8 each
 * @param count a multiple of 8
 * @param states eight of u32
 * @param tables address of the table of each of 256 contexts
 * @param half address of the next half; two bytes before the first one and behind the last can be read
 * @returns the address of the next half
 */
export function tokens(
  contexts: usize,
  into: usize,
  count: i32,
  states: usize,
  tables: usize,
  half: usize,
): usize {
  let x0 = load<u32>(states, 0);
  let x1 = load<u32>(states, 4);
  let x2 = load<u32>(states, 8);
  let x3 = load<u32>(states, 12);
  let x4 = load<u32>(states, 16);
  let x5 = load<u32>(states, 20);
  let x6 = load<u32>(states, 24);
  let x7 = load<u32>(states, 28);
  const end = into + count;
  for (; into < end; into += 8, contexts += 8) {
    let slot = slotOf(tables, contexts, x0);
    x0 = stateAfter(x0, slot);
    half = halfAfter(half, x0);
    x0 = filled(x0, half - 2);
    let packed = <u64>(slot >>> 24);
    slot = slotOf(tables, contexts + 1, x1);
    x1 = stateAfter(x1, slot);
    half = halfAfter(half, x1);
    x1 = filled(x1, half - 2);
    packed |= (<u64>(slot >>> 24)) << 8;
    slot = slotOf(tables, contexts + 2, x2);
    x2 = stateAfter(x2, slot);
    half = halfAfter(half, x2);
    x2 = filled(x2, half - 2);
    packed |= (<u64>(slot >>> 24)) << 16;
    slot = slotOf(tables, contexts + 3, x3);
    x3 = stateAfter(x3, slot);
    half = halfAfter(half, x3);
    x3 = filled(x3, half - 2);
    packed |= (<u64>(slot >>> 24)) << 24;
    slot = slotOf(tables, contexts + 4, x4);
    x4 = stateAfter(x4, slot);
    half = halfAfter(half, x4);
    x4 = filled(x4, half - 2);
    packed |= (<u64>(slot >>> 24)) << 32;
    slot = slotOf(tables, contexts + 5, x5);
    x5 = stateAfter(x5, slot);
    half = halfAfter(half, x5);
    x5 = filled(x5, half - 2);
    packed |= (<u64>(slot >>> 24)) << 40;
    slot = slotOf(tables, contexts + 6, x6);
    x6 = stateAfter(x6, slot);
    half = halfAfter(half, x6);
    x6 = filled(x6, half - 2);
    packed |= (<u64>(slot >>> 24)) << 48;
    slot = slotOf(tables, contexts + 7, x7);
    x7 = stateAfter(x7, slot);
    half = halfAfter(half, x7);
    x7 = filled(x7, half - 2);
    packed |= (<u64>(slot >>> 24)) << 56;
    store<u64>(into, packed);
  }
  store<u32>(states, x0, 0);
  store<u32>(states, x1, 4);
  store<u32>(states, x2, 8);
  store<u32>(states, x3, 12);
  store<u32>(states, x4, 16);
  store<u32>(states, x5, 20);
  store<u32>(states, x6, 24);
  store<u32>(states, x7, 28);
  return half;
}

/**
 * Adds raw bits to the smallest magnitudes of tokens.
 *
 * @param tokens u8 each
 * @param into receives u32 each
 * @param first u32 for each of 256 tokens: the smallest magnitude
 * @param bits u8 for each of 256 tokens: the number of raw bits, 0 to 31
 * @param raw the raw bits, with eight bytes of zeros behind them
 * @param at index of the next bit
 * @param end number of raw bits in whole bytes: from there on, zeros are read
 * @returns the index of the next bit
 */
export function magnitudes(
  tokens: usize,
  into: usize,
  count: i32,
  first: usize,
  bits: usize,
  raw: usize,
  at: u32,
  end: u32,
): u32 {
  for (let i = 0; i < count; i++) {
    const token = <usize>load<u8>(tokens + i);
    const width = <u32>load<u8>(bits + token);
    const place = min<u32>(at, end);
    const value = <u32>(load<u64>(raw + (place >>> 3)) >>> (<u64>(place & 7)));
    store<u32>(into + ((<usize>i) << 2), load<u32>(first + (token << 2)) + (value & ((1 << width) - 1)));
    at += width;
  }
  return at;
}
