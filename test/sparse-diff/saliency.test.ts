import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nthLargest } from '../../src/train/layout.js';

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
