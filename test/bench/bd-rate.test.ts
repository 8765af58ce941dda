import { expect, test } from 'vitest';
import { bdRate, type RatePoint } from '../../bench/common/bd-rate.js';

const curve = (...pairs: [bytes: number, accuracy: number][]): RatePoint[] =>
  pairs.map(([bytes, accuracy]) => ({ bytes, accuracy }));

/** Every factor of 10 in bytes buys 0.2 of accuracy. */
const reference = curve([100, 0.5], [1_000, 0.7], [10_000, 0.9]);

test('a curve against itself costs nothing', () => {
  expect(bdRate(reference, reference)).toBe(0);
});

test('a curve of a constant share of the bytes has that share, also where points lie elsewhere', () => {
  const fewer = reference.map(({ bytes, accuracy }) => ({ bytes: 0.4 * bytes, accuracy }));
  expect(bdRate(reference, fewer)).toBeCloseTo(-0.6, 12);
  expect(bdRate(fewer, reference)).toBeCloseTo(1.5, 12);
  const between = curve([40 * 10 ** 0.5, 0.6], [40 * 10 ** 1.5, 0.8]);
  expect(bdRate(reference, between)).toBeCloseTo(-0.6, 12);
});

test('lines that diverge differ by the mean of their logarithms', () => {
  // Logarithms differ by 0 at accuracy 0.5 and by ln 100 at 0.9.
  const steeper = curve([100, 0.5], [1_000_000, 0.9]);
  expect(bdRate(reference, steeper)).toBeCloseTo(10 - 1, 10);
});

test('one bent curve is integrated over every piece', () => {
  // Logarithms differ by 0 up to accuracy 0.7 and from there rise to ln 10: a mean of ln 10 / 4.
  const bent = curve([100, 0.5], [1_000, 0.7], [100_000, 0.9]);
  expect(bdRate(reference, bent)).toBeCloseTo(10 ** 0.25 - 1, 10);
});

test('ranges of accuracy that do not overlap, or single points, have no rate', () => {
  expect(bdRate(reference, curve([100, 0.1], [1_000, 0.4]))).toBeNull();
  expect(bdRate(reference, curve([100, 0.1], [1_000, 0.5]))).toBeNull();
  expect(bdRate(reference, curve([100, 0.6]))).toBeNull();
  expect(bdRate([], reference)).toBeNull();
});

test('points that a smaller size matches or exceeds are left out', () => {
  const worse = curve([10_000, 0.9], [300, 0.4], [100, 0.5], [1_000, 0.7], [2_000, 0.7], [1_000, 0.65]);
  expect(bdRate(reference, worse)).toBe(0);
  expect(bdRate(reference, curve([100, 0.8], [1_000, 0.6]))).toBeNull();
});
