import { expect, test } from 'vitest';
import { pairedRatio } from '../../bench/common/paired-ratios.js';

test('a ratio is taken within each round, so a slow round does not change it', () => {
  const rounds = [1, 1, 10, 1, 7].map((slow) => ({ plain: 2 * slow, hash: 3 * slow }));
  expect(pairedRatio(rounds, 'hash', 'plain')).toEqual({
    lowerQuartile: 1.5,
    median: 1.5,
    upperQuartile: 1.5,
  });
});

test('quartiles lie between sorted ratios', () => {
  const rounds = [4, 1, 3, 2].map((hash) => ({ plain: 1, hash }));
  expect(pairedRatio(rounds, 'hash', 'plain')).toEqual({
    lowerQuartile: 1.75,
    median: 2.5,
    upperQuartile: 3.25,
  });
});
