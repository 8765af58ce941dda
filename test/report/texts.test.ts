import { expect, test } from 'vitest';
import type { Measurements } from '../../src/report/document.js';
import { renderJunit } from '../../src/report/junit.js';
import { escapeMarkdown, renderMarkdown } from '../../src/report/markdown.js';
import { writeReport } from '../../src/report/write-report.js';
import { measurements } from './measurements.js';

const GATES = { maxGap: 0.01, maxBytes: 6500 };

test('renderMarkdown() writes verdict, reasons and tables for a pull request', () => {
  const text = renderMarkdown(writeReport(measurements, { title: 'Keywords', gates: GATES }));
  expect(text).toContain('## Keywords\n\n**Passed.** Ship large: 6,000 bytes, 1.0 % of the model');
  expect(text).toContain(
    '| large (ship this) | 6,000 | 1.0 % | 95.0 % (91.0 % to 97.3 %) | 0.0 (−1.9 to +1.9) | 1 | 12 ms | met |'.replaceAll(
      /[()+]/g,
      '\\$&',
    ),
  );
  expect(text).toContain('| points behind full fine-tune (below 0: better) |');
  expect(text).toContain('Measured on 200 test examples, with 95 % intervals. Negative flips: examples');
  expect(text).toContain('| base |  |  | 75.0 % |');
  expect(text).toContain('### Gates not met\n\n- small: gap to the full fine-tune: 2.00 points');
  expect(text).toContain('| full model, compressed | 540,000 |');
  expect(text).not.toContain('undefined');
  const columns = text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split(/(?<!\\)\|/).length);
  expect(new Set(columns)).toEqual(new Set([10, 7, 5]));
});

test('renderMarkdown() leaves out what was not measured', () => {
  const { data: _d, full: _f, ...rest } = { ...measurements, base: {} };
  const candidates = measurements.candidates.map(
    ({ quality: _q, versusBase: _v, versusFull: _w, apply: _a, ...each }) => each,
  );
  const text = renderMarkdown(
    writeReport({ ...rest, ways: [], remarks: [], candidates }, { title: 'Sizes' }),
  );
  expect(text.match(/^##.*$/gm)).toEqual(['## Sizes']);
  expect(text).not.toMatch(/undefined|NaN|null/);
});

const HOSTILE = '<script>alert(1)</script> [a](http://b.c) `|*_~#@you\u202e\u0000\n| x |\n# h ![i](www.d.e)';

test('names cannot inject Markdown or HTML', () => {
  const text = escapeMarkdown(HOSTILE);
  expect(text).not.toMatch(/[\p{Cc}\p{Cf}<>]|(?<!\\)[[\]()`|*_~!]|(?<![&\\])#|@(?!&)|http:\/\/|www\./u);
  const [first, ...others] = measurements.candidates;
  const hostile: Measurements = {
    ...measurements,
    candidates: [{ ...(first as (typeof others)[number]), name: HOSTILE }],
    ways: [{ name: HOSTILE, note: HOSTILE }],
    remarks: [HOSTILE],
  };
  const page = renderMarkdown(writeReport(hostile, { title: HOSTILE, gates: GATES }));
  expect(page).not.toMatch(/<script|http:\/\/|^# h|^\| x/m);
});

test('renderJunit() has a suite for each payload and a case for each gate; failures that do not block a release are skipped', () => {
  const text = renderJunit(writeReport(measurements, { title: 'Keywords', gates: GATES }));
  expect(text).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="Keywords" tests="4" failures="0" skipped="1">
  <testsuite name="large" tests="2" failures="0" skipped="0">
    <testcase classname="large" name="max-bytes"/>
    <testcase classname="large" name="max-gap"/>
  </testsuite>
  <testsuite name="small" tests="2" failures="0" skipped="1">
    <testcase classname="small" name="max-bytes"/>
    <testcase classname="small" name="max-gap">
      <skipped message="gap to the full fine-tune: 2.00 points, expected at most 1.00 points"/>
    </testcase>
  </testsuite>
</testsuites>
`);
  const failed = renderJunit(writeReport(measurements, { title: 'Keywords', gates: { maxBytes: 9 } }));
  expect(failed).toContain('<testsuites name="Keywords" tests="2" failures="2" skipped="0">');
  const ways = [{ name: 'exact diff', bytes: 1 }];
  const passed = renderJunit(writeReport({ ...measurements, ways }, { title: 'Keywords', gates: GATES }));
  expect(passed).toContain('<testsuites name="Keywords" tests="4" failures="0" skipped="1">');
});

test('renderJunit() escapes hostile names, and unseen characters, which XML does not allow', () => {
  const [first] = measurements.candidates;
  const name = '"><!-- \u0000\u001b\ud800 &amp; ]]> \n\u{1f600}';
  const problem = 'gives outputs that are not numbers';
  const hostile = {
    ...measurements,
    candidates: [{ ...(first as NonNullable<typeof first>), name, problem }],
  };
  const text = renderJunit(writeReport(hostile, { title: name, gates: {} }));
  const written = '&#34;&#62;&#60;!-- \\u{0}\\u{1b}\\u{d800} &#38;amp; ]]&#62; \\u{a}\u{1f600}';
  expect(text).toContain(`<testsuite name="${written}" tests="1" failures="1"`);
  expect(text).toContain('<failure message="the model gives outputs that are not numbers"/>');
  expect(text.match(/[<>]/g)).toHaveLength(2 * 8);
});
