import { expect, test } from 'vitest';
import { describeGap, describeInterval, formatGap, formatSigned } from '../../src/report/words.js';

test('describeGap() says behind, better, or that no difference was measured', () => {
  expect([0.003, -0.001, 0, 0.0004, -0.0004].map((gap) => describeGap(gap))).toEqual([
    '0.3 points behind the full fine-tune',
    '0.1 points better than the full fine-tune',
    'no difference from the full fine-tune measured',
    'no difference from the full fine-tune measured',
    'no difference from the full fine-tune measured',
  ]);
  expect(describeGap(0.05, 'the base')).toBe('5.0 points behind the base');
});

test('describeInterval() gives the ends in words, the nearer to 0 first', () => {
  const intervals = [
    { low: 0.002, high: 0.013 },
    { low: -0.013, high: -0.002 },
    { low: -0.004, high: 0.01 },
  ];
  expect(intervals.map(describeInterval)).toEqual([
    '0.2 to 1.3 points behind',
    '0.2 to 1.3 points better',
    '0.4 points better to 1.0 points behind',
  ]);
});

test('differences in tables have a sign unless their digits are all 0', () => {
  expect([0.003, -0.001, 0, 0.0004].map(formatSigned)).toEqual(['+0.3', '−0.1', '0.0', '0.0']);
  expect(formatGap({ value: 0.003, low: -0.004, high: 0.01 })).toBe('+0.3 (−0.4 to +1.0)');
});
