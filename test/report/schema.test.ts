import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { expect, test } from 'vitest';
import type { Report } from '../../src/report/document.js';
import { parseReport } from '../../src/report/schema.js';
import { writeReport } from '../../src/report/write-report.js';
import { measurements } from './measurements.js';
import { minimalReport, sampleReport } from './sample-report.js';

const SCHEMA = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'report.schema.json'), 'utf8'),
);

const accepts = new Ajv({ strict: false }).compile(SCHEMA);

const REPORTS: readonly (readonly [string, Report])[] = [
  ['full', sampleReport()],
  ['minimal', minimalReport()],
  ['measured', writeReport(measurements, { title: 'keywords' })],
];

test.each(REPORTS)('the published JSON Schema and parseReport() accept a %s report', (_, report) => {
  const text = JSON.stringify(report);
  expect([accepts(JSON.parse(text)), accepts.errors]).toEqual([true, null]);
  expect(parseReport(text, 'report.json')).toEqual(JSON.parse(text));
});

test.each([
  ['a version to come', { version: 2 }],
  ['bytes below none', { ways: [{ name: 'a', bytes: -1 }] }],
  ['more than is known', { colour: 'red' }],
])('the published JSON Schema and parseReport() refuse %s', (_, change) => {
  const text = JSON.stringify({ ...sampleReport(), ...change });
  expect(accepts(JSON.parse(text))).toBe(false);
  expect(() => parseReport(text, 'report.json')).toThrow('Cannot read report');
});
