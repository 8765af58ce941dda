import { expect, test } from 'vitest';
import { qualityOf } from '../../src/report/assess.js';
import type { Measurements } from '../../src/report/document.js';
import { type Gates, parseGates } from '../../src/report/gates.js';
import { shareOf } from '../../src/report/interval.js';
import { writeReport } from '../../src/report/write-report.js';
import { errorOf } from '../support.js';
import { candidateOf, measurements, truth, wrongOn } from './measurements.js';

const checksOf = (gates: Gates, measured: Measurements = measurements) => {
  const { candidates } = writeReport(measured, { title: 'keywords', gates });
  return candidates.map(({ checks }) => checks);
};

test('parseGates() reads limits for the model, slices and classes', () => {
  const gates = {
    maxBytes: 3000,
    maxShare: 0.005,
    maxGap: 0.005,
    maxNegativeFlips: 0.01,
    minAccuracy: 0.9,
    maxCalibrationError: 0.05,
    maxApplySeconds: 0.5,
    maxExtraMemoryBytes: 16e6,
    judgeBy: 'interval',
    slices: { 'speaker: theo': { maxGap: 0.02 }, '*': { minAccuracy: 0.8 } },
    classes: { yes: { maxNegativeFlips: 0.1 } },
  };
  expect(parseGates(JSON.stringify(gates), 'gates.json')).toEqual(gates);
  expect(parseGates('{}', 'gates.json')).toEqual({});
});

test.each([
  ['no JSON', 'maxBytes: 3000', 'Cannot read "gates.json": expected JSON'],
  ['a gate that there is none of', '{"maxByte":3000}', 'at maxByte, expected one of maxBytes, maxShare,'],
  ['a text for a number', '{"maxGap":"0.5%"}', 'at maxGap, expected number, got "0.5%"'],
  ['points for a fraction', '{"maxGap":2}', 'at maxGap, expected <=1, got 2'],
  ['bytes below one', '{"maxBytes":0}', 'at maxBytes, expected >=1, got 0'],
  ['a fraction of a byte', '{"maxBytes":1.5}', 'at maxBytes, expected'],
  ['a number that is none', '{"maxGap":null}', 'at maxGap, expected number, got null'],
  [
    'a gate that slices have none of',
    '{"slices":{"a":{"maxBytes":3}}}',
    'at slices.a.maxBytes, expected one of maxGap, maxNegativeFlips, minAccuracy, got "maxBytes"',
  ],
  ['another judge', '{"judgeBy":"luck"}', 'at judgeBy, expected ("value" | "interval"), got "luck"'],
  ['a list', '[]', 'expected an object, got a list'],
])('parseGates() refuses %s', async (_, text, message) => {
  const error = await errorOf(() => parseGates(text, 'gates.json'));
  expect(error.code).toBe('bad-document');
  expect(error.message).toContain(message);
});

test.each(['__proto__', 'constructor', 'prototype'])(
  'parseGates() refuses a class "%s", which would be dropped silently',
  async (name) => {
    const error = await errorOf(() => parseGates(`{"classes":{"${name}":{"maxGap":0}}}`, 'gates.json'));
    expect([error.code, error.message]).toEqual(['bad-document', expect.stringContaining(`"${name}"`)]);
  },
);

test('checksOf() compares each gate with the measured value, and states both', () => {
  const [large, small] = checksOf({
    maxBytes: 3000,
    maxShare: 0.005,
    maxGap: 0.005,
    maxNegativeFlips: 0.006,
    minAccuracy: 0.94,
    maxCalibrationError: 0.2,
    maxApplySeconds: 0.01,
    maxExtraMemoryBytes: 16_000_000,
  });
  const row = (checks = large) => checks?.map(({ id, value, isMet }) => [id, value, isMet]);
  expect(row()).toEqual([
    ['max-bytes', 6000, false],
    ['max-share', 0.01, false],
    ['min-accuracy', 0.95, true],
    ['max-gap', 0, true],
    ['max-negative-flips', 0.005, true],
    ['max-calibration-error', expect.closeTo(0.05, 6), true],
    ['max-apply-seconds', 0.012, false],
    ['max-extra-memory-bytes', 3_000_000, true],
  ]);
  expect(row(small)?.slice(0, 5)).toEqual([
    ['max-bytes', 1500, true],
    ['max-share', 0.0025, true],
    ['min-accuracy', 0.93, false],
    ['max-gap', 0.02, false],
    ['max-negative-flips', 0.01, false],
  ]);
  expect(large?.[0]?.message).toBe('payload: 6,000 bytes, expected at most 3,000 bytes');
  expect(small?.[3]?.message).toBe('gap to the full fine-tune: 2.00 points, expected at most 0.50 points');
  expect(small?.[2]?.message).toBe('accuracy: 93.00 %, expected at least 94.00 %');
});

test('judgeBy interval requires that the whole interval meets the limit', () => {
  const limits = { maxGap: 0.01, minAccuracy: 0.94 };
  const met = (gates: Gates) => checksOf(gates)[0]?.map(({ isMet }) => isMet);
  expect([met(limits), met({ ...limits, judgeBy: 'interval' })]).toEqual([
    [true, true],
    [false, false],
  ]);
});

test('slices and classes have separate gates; * applies to the others', () => {
  const [, small] = checksOf({
    slices: { 'speaker: ada': { minAccuracy: 0.95 }, '*': { minAccuracy: 0.9, maxNegativeFlips: 0 } },
    classes: { yes: { maxGap: 0.02 }, maybe: { minAccuracy: 0.5 } },
  });
  expect(small?.map(({ id, value, isMet }) => [id, value, isMet])).toEqual([
    ['min-accuracy of slice speaker: ada', 0.93, false],
    ['min-accuracy of slice speaker: theo', 0.93, true],
    ['max-negative-flips of slice speaker: theo', 0.01, false],
    ['max-gap of class yes', expect.closeTo(0.02, 12), true],
    ['min-accuracy of class maybe', undefined, false],
  ]);
  expect(small?.at(-1)?.message).toBe('accuracy of class maybe: not measured, expected at least 50.00 %');
});

test('a gate on an unmeasured value is not met', () => {
  const {
    quality: _q,
    versusBase: _b,
    versusFull: _f,
    apply: _a,
    ...bare
  } = candidateOf('bare', 100, () => false);
  const gates = {
    maxGap: 0.01,
    maxNegativeFlips: 0.5,
    maxApplySeconds: 9,
    classes: { '*': { minAccuracy: 0 } },
  };
  const [checks] = checksOf(gates, { ...measurements, candidates: [bare] });
  expect(checks?.map(({ isMet, value }) => [isMet, value])).toEqual(Array(5).fill([false, undefined]));
});

test('slices may be named like properties of Object.prototype', () => {
  const [checks] = checksOf({ slices: { constructor: { minAccuracy: 0.1 }, toString: { maxGap: 0.1 } } });
  expect(checks?.map(({ isMet }) => isMet)).toEqual([false, false]);
});

test('a gate on all slices or classes is not met if there are none', () => {
  const limits = { '*': { maxGap: 0.5 } };
  const [, small] = measurements.candidates;
  const { quality: _quality, ...bare } = small as (typeof measurements.candidates)[number];
  const [checks] = checksOf(
    { slices: limits, classes: limits },
    { ...measurements, base: {}, candidates: [bare] },
  );
  expect(checks?.map(({ id, isMet }) => [id, isMet])).toEqual([
    ['max-gap of slice *', false],
    ['max-gap of class *', false],
  ]);
  expect(checks?.[0]?.message).toBe('gap of slice *: not measured, expected at most 50.00 points');
});

test('a slice exactly at its limit meets the gate', () => {
  const withRight = (right: number) => {
    const slices = [{ name: 'speaker: ada', examples: 100, accuracy: shareOf(right, 100) }];
    return {
      quality: {
        ...qualityOf(
          truth,
          wrongOn(() => false),
        ),
        slices,
      },
    };
  };
  const candidates = [{ ...candidateOf('close', 100, () => false), ...withRight(95) }];
  const measured = { ...measurements, full: withRight(96), candidates };
  const [checks] = checksOf({ slices: { 'speaker: ada': { maxGap: 0.01 } } }, measured);
  expect(checks?.map(({ value, isMet }) => [value, isMet])).toEqual([[0.01, true]]);
});

test('a value just beyond its limit is written with enough digits to show it', () => {
  const [, small] = checksOf({ maxShare: 0.00249999 });
  expect(small?.[0]?.message).toBe('share of the model: 0.250000 %, expected at most 0.249999 %');
});
