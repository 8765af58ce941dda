import type { Value } from './recorder.js';

/** Elements of a value that numbers in the file ask for: a gigabyte of floats. */
const MAX_ELEMENTS = 2 ** 28;

type Numbers = readonly (readonly number[])[];

const productOf = (numbers: readonly number[]): number =>
  numbers.reduce((product, each) => product * each, 1);

/** Elements of results by what the inputs hold; `sizes` are those of the first input. */
const COUNTS: Readonly<Record<string, (inputs: Numbers, sizes: readonly number[]) => number>> = {
  ConstantOfShape: ([shape = []]) => productOf(shape),
  Expand: ([, shape = []], sizes) => {
    const rank = Math.max(shape.length, sizes.length);
    const last = (list: readonly number[], i: number): number => list[list.length - 1 - i] ?? 1;
    return productOf(Array.from({ length: rank }, (_, i) => Math.max(last(shape, i), last(sizes, i))));
  },
  OneHot: ([, [depth = 1] = []], sizes) => productOf(sizes) * depth,
  Pad: ([, pads = []], sizes) => {
    const { length } = sizes;
    return productOf(sizes.map((size, i) => size + (pads[i] ?? 0) + (pads[length + i] ?? 0)));
  },
  Range: ([[start = 0] = [], [limit = 0] = [], [step = 1] = []]) => (limit - start) / step,
  Resize: ([, , scales = [], wanted = []], sizes) =>
    wanted.length > 0 ? productOf(wanted) : productOf(sizes) * productOf(scales),
  Tile: ([, counts = []], sizes) => productOf(sizes) * productOf(counts),
  Upsample: ([, scales = []], sizes) => productOf(sizes) * productOf(scales),
};

/**
 * Checks how large a value would be before an operator makes it: a few bytes of a file can ask for more than
 * there is memory.
 *
 * @throws Error above 2^28 elements
 */
export function checkResultSize(operator: string, inputs: readonly (Value | undefined)[]): void {
  const count = COUNTS[operator];
  if (!count) return;
  const numbers = inputs.map((input, i) => (input && isSmall(input, i, operator) ? numbersIn(input) : []));
  const elements = count(numbers, inputs[0]?.tensor.shape ?? []);
  if (elements > MAX_ELEMENTS) throw new Error(`expected at most ${MAX_ELEMENTS} elements, got ${elements}`);
}

/** @returns whether an input is a list of sizes rather than what they are for */
function isSmall({ tensor, slot }: Value, index: number, operator: string): boolean {
  const isList = index > 0 || operator === 'ConstantOfShape' || operator === 'Range';
  return isList && slot === undefined && tensor.size <= 64;
}

function numbersIn({ tensor }: Value): number[] {
  return Array.from(tensor.dataSync());
}
