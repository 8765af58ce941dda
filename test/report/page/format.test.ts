import { expect, test } from 'vitest';
import * as format from '../../../src/report/page/format.js';
import { cleanStrings, cleanText, cutText } from '../../../src/report/page/format.js';

const plain = (text: string): string => text.replaceAll('\u00a0', ' ');

test.each([
  [format.formatBytes(2988), '2,988 bytes'],
  [format.formatBytes(1), '1 byte'],
  [format.formatMemory(12_845_056), '12.8 MB'],
  [format.formatMemory(8_322_379_776), '8.3 GB'],
  [format.formatPercent(0.9643), '96.4 %'],
  [format.formatShare(2988 / 600_332), '0.50 %'],
  [format.formatShare(0.00062), '0.062 %'],
  [format.formatShare(0.12), '12 %'],
  [format.formatShare(0), '0 %'],
  [format.formatPoints(0.0077), '0.8 points'],
  [format.formatPoints(-0.162), '−16.2 points'],
  [format.formatPoints(-0.0001), '0.0 points'],
  [format.formatTimes(2988 / 600_332), '201'],
  [format.formatTimes(1), '1.0'],
  [format.formatSeconds(0.0314), '31 ms'],
  [format.formatSeconds(0.0012), '1.2 ms'],
  [format.formatSeconds(1.237), '1.24 s'],
  [format.formatSmall(0.02134), '0.0213'],
  [format.formatSmall(8.79), '8.79'],
  [format.formatLimited(0.0077, 'share'), '0.77 %'],
  [format.formatLimited(0.0077, 'points'), '0.77 points'],
  [format.formatLimited(1, 'bytes'), '1 byte'],
  [format.formatInterval({ value: 0.96, low: 0.955, high: 0.972 }), '95.5 to 97.2'],
  [format.formatNumber(Number.NaN), '–'],
  [format.formatShare(Number.POSITIVE_INFINITY), '–'],
])('numbers are written as %s', (text, expected) => {
  expect(plain(text)).toBe(expected);
});

test('cleanText() escapes invisible characters', () => {
  expect(cleanText('a\u0000b\u202ec\ud800d\ufffd\ttab\r\nline')).toBe(
    'a\\u{0}b\\u{202e}c\\u{d800}d\\u{fffd} tab line',
  );
  expect(cleanText('שלום 👩‍👧')).toBe('שלום 👩‍👧');
});

test('cleanText() truncates long text between characters', () => {
  expect(Array.from(cleanText('👩'.repeat(1000)))).toHaveLength(400);
  expect(cutText('👩👩👩', 2)).toBe('👩…');
  expect(cutText('abc', 3)).toBe('abc');
});

test('cleanStrings() copies a document and leaves numbers alone', () => {
  const document = { names: ['a\u0007', null, 1.5, { deep: '\u200b' }], is: true };
  expect(cleanStrings(document)).toEqual({ names: ['a\\u{7}', null, 1.5, { deep: '\\u{200b}' }], is: true });
});
