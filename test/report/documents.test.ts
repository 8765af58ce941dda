import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseBench, readTask, tasksOf } from '../../src/report/bench.js';
import { parseReport } from '../../src/report/schema.js';
import { writeReport } from '../../src/report/write-report.js';
import { codeOf, errorOf } from '../support.js';
import { candidateOf, measurements } from './measurements.js';

const ACCURACY = {
  schema: 1,
  bench: 'accuracy',
  machine: {},
  seconds: 1,
  goals: [],
  rows: [
    {
      task: 'keywords',
      method: 'base',
      seeds: 3,
      bytes: 0,
      share: 0,
      mean: 0.8,
      deviation: 0,
      gap: 0.16,
      note: '',
    },
    {
      task: 'keywords',
      method: 'full fine-tune',
      seeds: 3,
      bytes: 6e5,
      share: 1,
      mean: 0.96,
      deviation: 0,
      gap: 0,
      note: '',
    },
    {
      task: 'keywords',
      method: 'hash',
      seeds: 3,
      bytes: 2999.5,
      share: 0.005,
      mean: 0.958,
      deviation: 0.001,
      gap: 0.002,
      note: '',
    },
    {
      task: 'keywords',
      method: 'pruned model',
      seeds: 0,
      bytes: null,
      share: null,
      mean: null,
      deviation: null,
      gap: null,
      note: '',
    },
    {
      task: 'intents',
      method: 'hash',
      seeds: 3,
      bytes: 3100,
      share: 0.005,
      mean: 0.86,
      deviation: 0.01,
      gap: 0.02,
      note: '',
    },
  ],
};

const SEQUENCE = {
  schema: 1,
  bench: 'sequence',
  machine: {},
  seconds: 1,
  goals: [],
  rows: [
    {
      task: 'keywords',
      method: 'full fine-tune',
      update: 1,
      seeds: 1,
      bytes: null,
      share: null,
      mean: 0.96,
      deviation: 0,
      gap: 0,
    },
    {
      task: 'keywords',
      method: 'hash',
      update: 1,
      seeds: 1,
      bytes: 3000,
      share: 0.005,
      mean: 0.95,
      deviation: 0,
      gap: 0.01,
    },
  ],
};

const read = (...documents: unknown[]) =>
  documents.map((each) => parseBench(JSON.stringify(each), 'bench.json'));

test('readTask() reads frontier and sequence from bench documents', () => {
  const { frontier, sequence } = readTask(read(ACCURACY, SEQUENCE), 'keywords');
  const point = {
    method: 'hash',
    seeds: 3,
    bytes: 2999.5,
    share: 0.005,
    accuracy: 0.958,
    deviation: 0.001,
    gap: 0.002,
  };
  expect(frontier).toEqual({ task: 'keywords', base: 0.8, full: 0.96, points: [point] });
  expect(sequence?.points).toEqual([
    { method: 'full fine-tune', update: 1, seeds: 1, accuracy: 0.96, gap: 0 },
    { method: 'hash', update: 1, seeds: 1, bytes: 3000, accuracy: 0.95, gap: 0.01 },
  ]);
  expect(read(ACCURACY).map(tasksOf)).toEqual([['keywords', 'intents']]);
  expect(readTask(read(SEQUENCE), 'keywords').frontier).toBeUndefined();
});

test('readTask() and parseBench() refuse other kinds of documents and missing tasks', async () => {
  const codes = [
    () => read({ ...ACCURACY, bench: 'train' }),
    () => read({ ...ACCURACY, schema: 2 }),
    () => read({ ...ACCURACY, rows: [{ ...ACCURACY.rows[2], mean: 1.2 }] }),
    () => readTask(read(ACCURACY), 'garments'),
    () => readTask(read(ACCURACY), 'intents'),
  ].map((call) => codeOf(call));
  expect(await Promise.all(codes)).toEqual(Array(5).fill('bad-document'));
  const { message } = await errorOf(() =>
    read({ ...ACCURACY, rows: [{ ...ACCURACY.rows[2], mean: 'high' }] }),
  );
  expect(message).toContain('"bench.json": at rows.0.mean, expected');
});

const report = writeReport(measurements, { title: 'keywords', gates: { maxGap: 0.01 } });

test('parseReport() reads the output of writeReport()', () => {
  expect(parseReport(JSON.stringify(report), 'report.json')).toEqual(report);
});

test('parseReport() refuses other documents and other versions', async () => {
  const { message } = await errorOf(() => parseReport(JSON.stringify({ ...report, version: 2 }), 'old.json'));
  expect(message).toBe('Cannot read report "old.json": at version, expected 1, got 2');
  const others = [{}, { ...report, more: 1 }, { ...report, candidates: [{ name: 'a' }] }, [report]];
  for (const other of others)
    expect(await codeOf(() => parseReport(JSON.stringify(other), 'other.json'))).toBe('bad-document');
});

test('parseReport() reads or refuses any changed report, with a typed error', () => {
  const text = JSON.stringify(report);
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.string({ unit: 'grapheme-ascii', maxLength: 3 }), (at, piece) => {
      try {
        parseReport(text.slice(0, at) + piece + text.slice(at + 1), 'report.json');
      } catch (error) {
        expect((error as { code: string }).code).toBe('bad-document');
      }
    }),
    { numRuns: 300 },
  );
});

test('writeReport() compares payloads with those of the same name in an earlier report', () => {
  const [large] = measurements.candidates;
  const now = {
    ...measurements,
    candidates: [candidateOf('large', 5_000, (i) => i < 8), candidateOf('fresh', 9, () => true)],
  };
  const { trend } = writeReport(now, { title: 'today', against: [report] });
  expect(trend?.title).toBe('keywords');
  expect(trend?.rows).toEqual([
    { candidate: 'large', measure: 'bytes', before: 6000, now: 5000 },
    { candidate: 'large', measure: 'accuracy', before: 0.95, now: 0.96 },
    { candidate: 'large', measure: 'gap', before: 0, now: -0.01 },
    { candidate: 'large', measure: 'negative-flips', before: 0.005, now: 0 },
    { candidate: 'large', measure: 'apply-seconds', before: 0.012, now: 0.012 },
  ]);
  const remarksOf = (change: object) =>
    writeReport({ ...now, ...change }, { title: 'today', against: [report] }).remarks.slice(
      now.remarks.length,
    );
  expect(remarksOf({})).toEqual([]);
  expect(
    remarksOf({ model: { ...now.model, base: 'c'.repeat(32) }, data: { ...now.data, examples: 7 } }),
  ).toEqual([
    'The earlier report was made on another base and with other examples: not all changes are due to the payloads.',
  ]);
  const alone = (name: string) => ({
    ...measurements,
    candidates: [{ ...large, name } as typeof large & object],
  });
  const earlier = writeReport(alone('v2'), { title: 'v2' });
  expect(writeReport(alone('v3'), { title: 'v3', against: [earlier] }).trend?.rows).toHaveLength(5);
});
