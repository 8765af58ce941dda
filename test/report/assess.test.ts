import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareModels, type Predictions, qualityOf, type Truth } from '../../src/report/assess.js';

const LABELS = ['yes', 'no', 'left'];

const truth: Truth = {
  labels: LABELS,
  classes: Int32Array.of(0, 0, 1, 1, 0),
  names: ['a.wav', 'b.wav', 'c.wav', 'd.wav', 'e.wav'],
  slices: { speaker: ['theo', 'theo', 'ada', 'ada', 'ada'], room: ['big', 'small', 'big', 'small', 'big'] },
};

const of = (...rows: number[][]): Predictions => ({
  classes: 3,
  probabilities: Float32Array.from(rows.flat()),
});

/** Right, right, wrong, wrong, right. */
const base = of([0.8, 0.1, 0.1], [0.5, 0.25, 0.25], [0.6, 0.4, 0], [0, 0.1, 0.9], [1, 0, 0]);
/** Right, wrong, right, wrong, wrong. */
const next = of([0.9, 0.05, 0.05], [0.2, 0.7, 0.1], [0.3, 0.7, 0], [0.4, 0.2, 0.4], [0.05, 0.9, 0.05]);

test('qualityOf() counts correct predictions in total, by class and by slice', () => {
  const { accuracy, classes, slices } = qualityOf(truth, next, base);
  expect(accuracy.value).toBe(2 / 5);
  const row = ({ name, examples, accuracy: found, negativeFlips }: (typeof classes)[number]) => [
    name,
    examples,
    found?.value,
    negativeFlips,
  ];
  expect(classes.map(row)).toEqual([
    ['yes', 3, 1 / 3, 2],
    ['no', 2, 1 / 2, 0],
    ['left', 0, undefined, 0],
  ]);
  expect(slices.map(row)).toEqual([
    ['speaker: ada', 3, 1 / 3, 1],
    ['speaker: theo', 2, 1 / 2, 1],
    ['room: big', 3, 2 / 3, 1],
    ['room: small', 2, 0, 1],
  ]);
  expect(qualityOf(truth, base).classes.map(({ negativeFlips }) => negativeFlips)).toEqual(Array(3));
});

test('compareModels() lists flips, the most confident mistakes first', () => {
  const { gap, agreement, negativeFlips, positiveFlips } = compareModels(truth, {
    reference: base,
    candidate: next,
  });
  expect([gap.value, agreement.value]).toEqual([1 / 5, 1 / 5]);
  expect([negativeFlips.count, negativeFlips.share.value]).toEqual([2, 2 / 5]);
  expect(
    negativeFlips.examples.map(({ index, name, label, before, after }) => [
      index,
      name,
      label,
      before,
      after,
    ]),
  ).toEqual([
    [4, 'e.wav', 'yes', 'yes', 'no'],
    [1, 'b.wav', 'yes', 'yes', 'no'],
  ]);
  expect(negativeFlips.examples[0]).toMatchObject({ confidenceBefore: 1, confidenceAfter: Math.fround(0.9) });
  expect(positiveFlips.examples.map(({ name }) => name)).toEqual(['c.wav']);
});

test('compareModels() computes the Kullback-Leibler divergence in nats, always finite', () => {
  const certain = of([1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0], [0.5, 0.5, 0]);
  const other = of([1, 0, 0], [0.5, 0.5, 0], [0.25, 0.5, 0.25], [1, 0, 0], [0.25, 0.25, 0.5]);
  const { divergence } = compareModels(truth, { reference: certain, candidate: other });
  expect(divergence.mean).toBeCloseTo((Math.log(2) + Math.log(4) + Math.log(2)) / 5, 12);
  expect(divergence.percentile99).toBeCloseTo(Math.log(4), 12);
  const wrong = of(...Array.from({ length: 5 }, () => [0, 1, 0]));
  const { mean } = compareModels(truth, { reference: certain, candidate: wrong }).divergence;
  expect(mean).toBeGreaterThan(20);
  expect(mean).toBeLessThan(-Math.log(1e-12));
  expect(compareModels(truth, { reference: next, candidate: next }).divergence).toEqual({
    mean: 0,
    percentile99: 0,
  });
});

test('calibration bins contain every example once; the error is the difference of confidence and accuracy', () => {
  const { calibration } = qualityOf(truth, next);
  expect(calibration.bins.map(({ low, examples, accuracy }) => [low, examples, accuracy])).toEqual([
    [0.4, 1, 0],
    // 0.7 and 0.7 as float32 are a little less.
    [0.6, 2, 0.5],
    [0.8, 2, 0.5],
  ]);
  expect(calibration.error).toBeCloseTo((0.4 + 2 * 0.2 + 2 * 0.4) / 5, 6);
  const sure = of([1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0]);
  expect(qualityOf(truth, sure).calibration).toEqual({
    error: 0,
    bins: [{ low: 0.9, high: 1, examples: 5, confidence: 1, accuracy: 1 }],
  });
});

test('for any predictions, gap, flips, accuracies and parts agree with each other', () => {
  const row = fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 });
  const rows = fc.array(row, { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(rows, fc.integer({ min: 0, max: 1000 }), (given, seed) => {
      const classes = Int32Array.from(given, (_, i) => (seed + i * i) % 3);
      const facts: Truth = { labels: LABELS, classes, slices: { odd: given.map((_, i) => String(i % 2)) } };
      const [reference, candidate] = [of(...given), of(...given.map((each) => [...each].reverse()))];
      const [before, after] = [qualityOf(facts, reference), qualityOf(facts, candidate, reference)];
      const { gap, negativeFlips, positiveFlips } = compareModels(facts, { reference, candidate });
      expect(gap.value).toBeCloseTo(before.accuracy.value - after.accuracy.value, 12);
      expect(negativeFlips.count - positiveFlips.count).toBe(Math.round(gap.value * given.length));
      for (const parts of [after.classes, after.slices]) {
        expect(parts.reduce((sum, { examples }) => sum + examples, 0)).toBe(given.length);
        expect(parts.reduce((sum, part) => sum + (part.negativeFlips as number), 0)).toBe(
          negativeFlips.count,
        );
      }
    }),
  );
});

test('qualityOf() accepts more classes than the limit of function arguments', () => {
  const count = 150_000;
  const labels = Array.from({ length: count }, (_, k) => String(k));
  const probabilities = new Float32Array(count).fill(0.5 / count);
  probabilities[count - 1] = 0.5;
  const many = { labels, classes: Int32Array.of(count - 1) };
  expect(qualityOf(many, { classes: count, probabilities }).accuracy.value).toBe(1);
});
