/** Loads four floats, or the last one of a row. */
@inline
export function loadPart(at: usize, isWhole: bool): v128 {
  return isWhole ? v128.load(at) : v128.load32_zero(at);
}

/** Stores four floats, or the last one of a row. */
@inline
export function storePart(at: usize, x: v128, isWhole: bool): void {
  if (isWhole) v128.store(at, x);
  else v128.store32_lane(at, x, 0);
}
