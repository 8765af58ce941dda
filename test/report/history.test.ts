import { expect, test } from 'vitest';
import { curvesOf, parseCurve, writeCurve } from '../../src/report/curve.js';
import { parseReport } from '../../src/report/schema.js';
import { writeReport } from '../../src/report/write-report.js';
import { measurements } from './measurements.js';

test('writeReport() lists the advised payloads of all reports, oldest first', () => {
  const first = writeReport(measurements, { title: 'first' });
  expect(writeReport(measurements, { title: 'second', against: [first] }).history).toBeUndefined();
  const second = { ...first, title: 'second' };
  const { history, trend } = writeReport(measurements, { title: 'third', against: [first, second] });
  expect(trend?.title).toBe('second');
  expect(history?.map(({ title }) => title)).toEqual(['first', 'second', 'third']);
  const { ship } = first.advice;
  const shipped = first.candidates.find(({ name }) => name === ship);
  expect(history?.[2]).toMatchObject({
    candidate: ship,
    isPassed: true,
    bytes: shipped?.bytes,
    accuracy: shipped?.quality?.accuracy.value,
  });
});

test('curves are those of the payloads that lead to the same model', () => {
  const candidates = measurements.candidates.map((each, i) => ({ ...each, next: `${i}`.repeat(32) }));
  const [some] = candidates;
  const trained = {
    next: some?.next as string,
    metrics: { base: { loss: 2, accuracy: 0.5 }, full: { loss: 1 } },
    epochs: [
      { loss: 3, state: { density: 0.1 }, metrics: { accuracy: 0.6, loss: 1 } },
      { loss: 2, state: {} },
    ],
  };
  const curves = [trained, { ...trained, next: 'f'.repeat(32) }].map((each) =>
    parseCurve(writeCurve(each), 'curve.json'),
  );
  const report = writeReport(
    { ...measurements, candidates },
    { title: 'curves', curves: curvesOf(curves, candidates) },
  );
  expect(report.curves).toEqual([
    {
      candidate: some?.name,
      base: 0.5,
      epochs: [
        { loss: 3, accuracy: 0.6, state: { density: 0.1 } },
        { loss: 2, state: {} },
      ],
    },
  ]);
  expect(parseReport(JSON.stringify(report), 'report.json')).toEqual(report);
  for (const text of ['{}', '[]', writeCurve({ ...trained, next: 'v2' }), 'x'])
    expect(() => parseCurve(text, 'curve.json')).toThrow(expect.objectContaining({ code: 'bad-document' }));
});
