import { describe, expect, test } from 'vitest';
import { type Columns, multiply } from '../../../examples/streaming-keywords/products.js';

/** Whole numbers, whose sums are exact in any order. */
const numbers = (length: number, step: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => ((i * step) % 17) - 8);

function productOf(inputs: Float32Array, kernel: Float32Array, start: Float32Array): number[] {
  return Array.from(start, (first, column) =>
    inputs.reduce((sum, input, row) => sum + input * (kernel[row * start.length + column] as number), first),
  );
}

describe('multiply()', () => {
  // Columns are summed by eight, by two and alone; rows of two columns by four and alone.
  const widths = [1, 2, 3, 7, 8, 9, 11, 16, 19];
  test.each(widths.flatMap((width) => [0, 1, 3, 4, 9].map((rows) => [rows, width] as const)))(
    'adds %d inputs times %d columns to the start',
    (rows, width) => {
      const [inputs, kernel, start] = [numbers(rows, 5), numbers(rows * width, 7), numbers(width, 3)];
      const outputs = new Float32Array(width).fill(99);
      multiply(outputs, { inputs, kernel, start });
      expect([...outputs]).toEqual(productOf(inputs, kernel, start));
    },
  );

  test('writes some columns, in place, and no other', () => {
    const [inputs, kernel, outputs] = [numbers(4, 5), numbers(4 * 24, 7), numbers(24, 3)];
    const before = [...outputs];
    const all = productOf(inputs, kernel, outputs);
    const columns: Columns = { from: 3, to: 22 };
    multiply(outputs, { inputs, kernel, start: outputs }, columns);
    const isWritten = (column: number): boolean => column >= columns.from && column < columns.to;
    expect([...outputs]).toEqual(before.map((value, i) => (isWritten(i) ? all[i] : value)));
  });
});
