import { expect, test } from 'vitest';
import { qualityOf } from '../../src/report/assess.js';
import type { Measurements } from '../../src/report/document.js';
import type { Gates } from '../../src/report/gates.js';
import { writeBenchReport, writeReport } from '../../src/report/write-report.js';
import { candidateOf, measurements, truth, wrongOn } from './measurements.js';

const CHOSEN =
  'Chosen from 2 payloads on the 200 test examples that the figures are of, which makes the figures of the chosen one slightly too good. To avoid this, choose on validation data and report on that payload alone.';

const adviceOf = (measured: Measurements, gates?: Gates) =>
  writeReport(measured, { title: 'keywords', gates }).advice;

test('advise() ships the smallest payload that meets all gates, with reasons', () => {
  const { ship, isPassed, headline, reasons } = adviceOf(measurements);
  expect([ship, isPassed]).toEqual(['large', true]);
  expect(headline).toBe(
    'Ship large: 6,000 bytes, 1.0 % of the model, no difference from the full fine-tune measured (95 % interval: 1.9 points better to 1.9 points behind)',
  );
  expect(reasons).toEqual([
    'The rule: the smallest payload that meets all gates (limits on size, accuracy and cost), if it is smaller than the full model; without your own gates, one that is measured to be at most 0.5 points behind the full fine-tune.',
    'Not small, 1,500 bytes: gap to the full fine-tune: 2.00 points, expected at most 0.50 points.',
    'It is 100 times smaller than the float32 model.',
    'The smallest alternative, full model, compressed, takes 540,000 bytes: 90.0 times as many.',
    'Compared with the full fine-tune on 200 test examples, where one example is 0.50 points: the difference is known to ±1.9 points (95 %). The interval contains 0: these examples do not tell the two models apart.',
    'Of the examples, 41 that the base gets wrong become right (positive flips), and 1 that it gets right become wrong (negative flips, 0.50 %).',
    CHOSEN,
  ]);
  const loose = adviceOf(measurements, { maxGap: 0.03 });
  expect([loose.ship, loose.reasons[0]]).toEqual([
    'small',
    'The rule: the smallest payload that meets all gates (limits on size, accuracy and cost), if it is smaller than the full model.',
  ]);
});

test('advise() ships the full model if no payload meets the gates', () => {
  const { ship, isPassed, headline, reasons } = adviceOf(measurements, { maxBytes: 1000 });
  expect([ship, isPassed]).toEqual([undefined, false]);
  expect(headline).toBe(
    'Ship the full model (full model, compressed: 540,000 bytes): no payload meets all gates',
  );
  expect(reasons.slice(1)).toEqual([
    'Not small, 1,500 bytes: payload: 1,500 bytes, expected at most 1,000 bytes.',
    'Not large, 6,000 bytes: payload: 6,000 bytes, expected at most 1,000 bytes.',
    CHOSEN,
  ]);
  const none = adviceOf({ ...measurements, candidates: [] });
  expect(none.headline).toContain('there is no payload');
});

test('advise() does not ship a payload that is not smaller than the full model', () => {
  const ways = [{ name: 'exact diff', bytes: 1200 }];
  const { ship, isPassed, headline } = adviceOf({ ...measurements, ways }, {});
  expect([ship, isPassed]).toEqual([undefined, true]);
  expect(headline).toBe('Ship the full model (exact diff: 1,200 bytes): no payload is smaller');
});

test('advise() never ships a model whose outputs are not numbers', () => {
  const { quality: _q, versusBase: _b, versusFull: _f, ...rest } = candidateOf('tiny', 10, () => false);
  const broken = { ...rest, problem: 'gives outputs that are not numbers for 3 of 200 examples' };
  const { ship, reasons } = adviceOf(
    { ...measurements, candidates: [broken, ...measurements.candidates] },
    {},
  );
  expect(ship).toBe('small');
  expect(reasons[1]).toBe('Not tiny, 10 bytes: it gives outputs that are not numbers for 3 of 200 examples.');
});

test('advise() compares with the base without a full fine-tune, and by size alone without data', () => {
  const { full: _full, ...rest } = measurements;
  const candidates = measurements.candidates.map(({ versusFull: _v, ...each }) => each);
  const noFull = adviceOf({ ...rest, candidates });
  expect([noFull.ship, noFull.headline]).toEqual([
    'small',
    'Ship small: 1,500 bytes, 0.25 % of the model, accuracy 93.0 %',
  ]);
  expect(noFull.reasons[0]).toContain('one whose measured accuracy is at least that of the base');
  const { data: _data, ...bare } = { ...rest, base: {} };
  const sizes = candidates.map(({ quality: _q, versusBase: _b, ...each }) => each);
  const noData = adviceOf({ ...bare, candidates: sizes });
  expect([noData.headline, noData.reasons[0]]).toEqual([
    'Ship small: 1,500 bytes, 0.25 % of the model',
    'The rule: the smallest payload, if it is smaller than the full model; accuracy was not measured.',
  ]);
});

test('advise() prefers the more accurate of two payloads of the same size', () => {
  const twins = [candidateOf('worse', 900, (i) => i < 11), candidateOf('better', 900, (i) => i < 10)];
  expect(adviceOf({ ...measurements, candidates: twins }, {}).ship).toBe('better');
});

test('advise() says which data decided, and whether they chose among payloads', () => {
  const data = { ...measurements.data, source: 'validation', examples: 200, labels: [] } as const;
  expect(adviceOf({ ...measurements, data }).reasons.at(-1)).toBe(
    'Decided on 200 validation examples, as the recipe returns no test data. Training may have used them to choose, too: expect slightly lower accuracy on others.',
  );
  const candidates = measurements.candidates.slice(0, 1);
  expect(adviceOf({ ...measurements, candidates }).reasons.at(-1)).toBe(
    'Decided on 200 test examples. There was one payload, so this report chose none by them.',
  );
});

test('writeBenchReport() advises the smallest diff that is close enough on average', () => {
  const point = { seeds: 3, share: 0.005, accuracy: 0.96, deviation: 0.002 };
  const points = [
    { ...point, method: 'hash', bytes: 3000, gap: 0.004 },
    { ...point, method: 'pruned model', bytes: 900, gap: 0 },
    { ...point, method: 'sparse', bytes: 1800, gap: 0.009 },
  ];
  const frontier = { task: 'keywords', base: 0.8, full: 0.965, points };
  const write = (maxGap?: number) =>
    writeBenchReport({ title: 'keywords', machine: measurements.machine, frontier, maxGap }).advice;
  expect(write().headline).toBe(
    'Ship a hash diff of 3,000 bytes, 0.50 % of the model: 0.4 points behind the full fine-tune, on average over 3 seeds',
  );
  expect(write(0.01).headline).toContain('sparse diff of 1,800 bytes');
  expect([write(0.001).isPassed, write(0.001).headline]).toEqual([
    false,
    'Ship the full model: no diff is close enough',
  ]);
});

test('advise() ships a payload that is itself the smallest alternative', () => {
  const ways = [{ name: 'exact diff', bytes: 1500 }];
  expect(adviceOf({ ...measurements, ways }, {}).ship).toBe('small');
});

test('advise() warns about the full fine-tune, and about payloads behind the base', () => {
  const [large] = measurements.candidates as [Measurements['candidates'][number]];
  const worse = {
    quality: qualityOf(
      truth,
      wrongOn((i) => i < 60),
    ),
  };
  const { reasons } = adviceOf({ ...measurements, full: worse }, { maxBytes: 1 });
  expect(reasons.at(-1)).toBe(
    'The full fine-tune is less accurate than the base, 70.0 % against 75.0 %: check the training first.',
  );
  const broken = { problem: 'gives outputs that are not numbers for 3 of 200 examples' };
  expect(adviceOf({ ...measurements, full: broken }).reasons.at(-1)).toBe(
    'The full fine-tune gives outputs that are not numbers for 3 of 200 examples: do not ship it as it is.',
  );
  const behind = candidateOf('behind', 100, (i) => i < 60);
  const { ship, reasons: told } = adviceOf({ ...measurements, candidates: [large, behind] }, {});
  expect([ship, told]).toEqual([
    'behind',
    expect.arrayContaining([
      'It is 5.0 points behind the base (95 % interval: 1.7 to 8.2 points behind).',
      expect.stringContaining('the payload is less accurate.'),
    ]),
  ]);
});

test('advise() says by how much a payload is better, and that the interval is on one side', () => {
  const better = candidateOf('better', 100, (i) => i < 0);
  const { headline, reasons } = adviceOf({ ...measurements, candidates: [better] });
  expect(headline).toBe(
    'Ship better: 100 bytes, 0.017 % of the model, 5.0 points better than the full fine-tune (95 % interval: 1.7 to 8.2 points better)',
  );
  expect(reasons).toContainEqual(expect.stringContaining('on one side of 0: the payload is more accurate.'));
});
