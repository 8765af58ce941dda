/**
 * Spearman's rank correlation: how well one list of numbers orders another.
 *
 * Source: C. Spearman, "The proof and measurement of association between two things" (1904); equal numbers
 * have the mean of their ranks.
 *
 * @returns -1 to 1; undefined for fewer than 3 pairs, or where one list has equal numbers only
 */
export function rankCorrelation(pairs: readonly (readonly [number, number])[]): number | undefined {
  if (pairs.length < 3) return undefined;
  const [a, b] = [ranksOf(pairs.map(([x]) => x)), ranksOf(pairs.map(([, y]) => y))];
  const mean = (pairs.length - 1) / 2;
  let [product, squares, others] = [0, 0, 0];
  for (const [i, rank] of a.entries()) {
    const [x, y] = [rank - mean, (b[i] as number) - mean];
    product += x * y;
    squares += x * x;
    others += y * y;
  }
  return squares === 0 || others === 0 ? undefined : product / Math.sqrt(squares * others);
}

function ranksOf(values: readonly number[]): number[] {
  const order = [...values.keys()].sort((i, j) => (values[i] as number) - (values[j] as number));
  const ranks = new Array<number>(values.length);
  for (let first = 0; first < order.length; ) {
    let end = first + 1;
    const value = values[order[first] as number];
    while (end < order.length && values[order[end] as number] === value) end++;
    for (let place = first; place < end; place++) ranks[order[place] as number] = (first + end - 1) / 2;
    first = end;
  }
  return ranks;
}
