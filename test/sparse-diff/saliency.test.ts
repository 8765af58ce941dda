import fc from 'fast-check';
import { expect, test } from 'vitest';
import { largestWithin, nthLargest } from '../../src/train/layout.js';

test('nthLargest() agrees with sorting', () => {
  const values = fc.array(fc.float({ min: 0, noNaN: true }), { minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(values, values, fc.nat(), (first, second, seed) => {
      const arrays = [Float32Array.from(first, Math.abs), Float32Array.from(second, Math.abs)];
      const sorted = Float32Array.from([...first, ...second], Math.abs).sort();
      const rank = 1 + (seed % sorted.length);
      expect(nthLargest(arrays, rank)).toBe(sorted[sorted.length - rank]);
    }),
  );
});

test('largestWithin() agrees with trying every number, whatever its model predicts', () => {
  const increments = fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 200 });
  const models = fc.constantFrom(
    (count: number) => count,
    (count: number) => 2 ** (count / 20),
    () => 1,
    (count: number) => -count,
  );
  fc.assert(
    fc.property(increments, fc.nat({ max: 1000 }), models, (steps, limit, predict) => {
      const sizes = steps.map((_, i) => 7 + steps.slice(0, i + 1).reduce((sum, step) => sum + step, 0));
      const most = sizes.length - 1;
      const found = largestWithin({ most, limit, predict }, (count) => sizes[count] as number);
      expect(found).toBe(sizes.filter((size) => size <= limit).length - 1);
    }),
  );
});

test('largestWithin() computes few sizes with a model of their shape', () => {
  const sizeOf = (count: number): number => Math.round(500 + 0.6 * 2 ** (count / 100));
  const tried: number[] = [];
  const found = largestWithin(
    { most: 3000, limit: 80_000, predict: (count) => 2 ** (count / 100) },
    (count) => {
      tried.push(count);
      return sizeOf(count);
    },
  );
  expect(sizeOf(found)).toBeLessThanOrEqual(80_000);
  expect(sizeOf(found + 1)).toBeGreaterThan(80_000);
  expect(tried.length).toBeLessThanOrEqual(4);
});
