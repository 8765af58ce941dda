import { expect, test } from 'vitest';
import { fetchPublished } from '../../../examples/common/published.js';
import { readFont } from '../../../examples/published-ocr/font.js';
import { LINE, printWords } from '../../../examples/published-ocr/lines.js';
import { BLACKLETTER, RECOGNISER, readAlphabet } from '../../../examples/published-ocr/model.js';

const [fonts, models] = [await fetchPublished(BLACKLETTER), await fetchPublished(RECOGNISER)];

test.skipIf(!fonts)('printWords() draws words of a published font, fixed by a seed', () => {
  const font = readFont([...fonts!.values()][0] as Uint8Array);
  const print = (seed: number, count: number) => printWords(font, { seed, name: 'test', count });
  const lines = print(1, 6);
  expect(lines.values).toHaveLength(6 * 3 * LINE.height * LINE.width);
  expect(lines.values.every((value) => value >= -1 && value <= 1)).toBe(true);
  const first = print(1, 3);
  expect(first.words).toEqual(lines.words.slice(0, 3));
  expect(first.values).toEqual(lines.values.subarray(0, first.values.length));
  expect(print(2, 3).words).not.toEqual(first.words);
  const others = printWords(font, {
    seed: 1,
    name: 'test',
    count: 3,
    isLeftOut: (word) => word === first.words[0],
  });
  expect(others.words).not.toContain(first.words[0]);
  expect(font.outline('i').width).toBeLessThan(font.outline('m').width);
  expect(font.outline('é').contours.length).toBeGreaterThan(font.outline('e').contours.length);
});

test('readFont() refuses what is no WOFF file', () => {
  expect(() => readFont(new Uint8Array(100))).toThrow('expected WOFF');
});

test.skipIf(!models)('readAlphabet() writes words as classes and reads them back', () => {
  const alphabet = readAlphabet(models!.get('assets/ppocr_keys_v1.txt') as Uint8Array);
  const [c, a, t] = alphabet.write('cat') as [number, number, number];
  expect(alphabet.write('cat').slice(3)).toEqual([0, 0, 0]);
  expect(alphabet.read([0, c, c, 0, a, t, t, 0, t])).toBe('catt');
});
