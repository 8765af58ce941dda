import { expect, test } from 'vitest';
import { goalsOf, type PrecisionResult, rowsOf } from '../../bench/precision/result.js';
import { samplePrecision } from '../report/sample-precision.js';

const { totals, runs } = samplePrecision();
const unit = { task: 'keywords', quick: true, validationExamples: 620, testExamples: 1820, runs, seconds: 1 };
const whole = totals.find(({ way }) => way === 'as-is')!;
const RESULTS: readonly PrecisionResult[] = [
  { ...unit, seed: 1, totals },
  // With the second seed no step keeps the contract, and int8 gives no numbers.
  {
    ...unit,
    seed: 2,
    totals: totals.map(({ test: _test, measured: _measured, ...total }) =>
      total.way === 'int8' ? total : { ...whole, way: total.way },
    ),
  },
];

test('rowsOf() has means over seeds for every way, and nulls where a seed gave no numbers', () => {
  const rows = rowsOf(RESULTS);
  expect(rows.map(({ stored }) => stored)).toEqual(totals.map(({ way }) => way));
  const mixed = rows.find(({ stored }) => stored === 'mixed')!;
  expect(mixed).toMatchObject({ task: 'keywords', seeds: 2, kept: 2, bytes: (171_920 + 600_332) / 2 });
  expect(mixed.share).toBeCloseTo((171_920 / 600_332 + 1) / 2, 9);
  expect(mixed.gap).toBeCloseTo((3 / 1820 + 0) / 2, 9);
  expect(rows.find(({ stored }) => stored === 'int8')).toMatchObject({ gap: null, mean: null, kept: 0 });
});

test('goalsOf() compares mixed grids with one grid for everything, and tells the worst gap that was chosen', () => {
  const values = new Map(goalsOf(rowsOf(RESULTS), RESULTS).map(({ id, value }) => [id, value]));
  expect([...values.keys()].every((id) => id.startsWith('precision.keywords.'))).toBe(true);
  expect(values.get('precision.keywords.worst-validation-gap')).toBeCloseTo(1 / 620, 9);
  expect(values.get('precision.keywords.int8-gap')).toBeNull();
  expect(values.get('precision.keywords.vs-int8')).toBeCloseTo((171_920 + 600_332) / (2 * 158_004), 9);
});
