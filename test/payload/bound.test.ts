import { expect, test } from 'vitest';
import type { SparseOp } from '../../src/payload/diff.js';
import { encodeRecords } from '../../src/payload/encode-records.js';
import { createRandom } from '../support.js';

const ROWS = 2 ** 11;
const INFO = { name: 'w', dtype: 'float32' as const, shape: [ROWS, ROWS] };
const BITS_PER_VALUE = 3;

/** An op that changes each element as likely as it says, by levels of -4 to 4. */
function randomOp(likelihood: (element: number) => number): SparseOp {
  const random = createRandom(1);
  const positions: number[] = [];
  for (let i = 0; i < ROWS * ROWS; i++) if (random() < likelihood(i) * 2 ** 32) positions.push(i);
  const levels = Int16Array.from(positions, () => (random() & 1 ? -1 : 1) * (1 + (random() & 3)));
  return { kind: 'sparse', tensor: 'w', scale: 1, positions: Uint32Array.from(positions), levels };
}

/** @returns bits of a record, and those of a code that knows the density alone */
function compare(op: SparseOp): { bits: number; bound: number } {
  const p = op.positions.length / ROWS ** 2;
  const entropy = -p * Math.log2(p) - (1 - p) * Math.log2(1 - p);
  const [record] = encodeRecords([op], [INFO]);
  return {
    bits: 8 * (record?.bytes.length ?? 0),
    bound: ROWS ** 2 * entropy + op.positions.length * BITS_PER_VALUE,
  };
}

test.each([0.001, 0.01, 0.05, 0.2])(
  'a random mask of density %d takes 0.3 %% more than N H(p) at most',
  (density) => {
    const { bits, bound } = compare(randomOp(() => density));
    expect(bits / bound).toBeLessThan(1.003);
  },
);

test.each([
  ['rows', (i: number) => Math.floor(i / ROWS)],
  ['columns', (i: number) => i % ROWS],
])('a mask whose %s change at very different rates takes clearly less than N H(p)', (_, lineOf) => {
  const random = createRandom(7);
  const activity = Float64Array.from({ length: ROWS }, () => 0.3 * (random() / 2 ** 32) ** 6);
  const { bits, bound } = compare(randomOp((i) => activity[lineOf(i)] as number));
  expect(bits / bound).toBeLessThan(0.9);
});
