import { describe, expect, test } from 'vitest';
import type { SourceError } from '../../../examples/common/source-error.js';
import type { Split } from '../../../examples/common/staged-examples.js';
import { planShots, stageEmoji } from '../../../examples/emoji-pictures/data.js';
import { familyOf, LABELS, labelOf, SUBGROUPS_BY_LABEL } from '../../../examples/emoji-pictures/labels.js';
import { createEmojiModel } from '../../../examples/emoji-pictures/model.js';
import { DARK, PICTURE_NUMBERS, show, VARIED } from '../../../examples/emoji-pictures/screen.js';
import {
  type EmojiPicture,
  PICTURE_SIDE,
  readPictures,
  SHEET_CHANNELS,
  STYLES,
} from '../../../examples/emoji-pictures/sheets.js';
import { countLabels, expectCumulative, printExamples } from '../common/stage-facts.js';

const pictures = await readPictures().catch((error: SourceError<string>): EmojiPicture[] => {
  if (error.code !== 'missing') throw error;
  process.stderr.write(`SKIPPED: pictures of emoji; ${error.message}\n`);
  return [];
});

/** A square in one colour left of the centre, the rest clear. */
const square = Uint8Array.from({ length: PICTURE_SIDE * PICTURE_SIDE * SHEET_CHANNELS }, (_, i) => {
  const pixel = Math.floor(i / SHEET_CHANNELS);
  const [x, y] = [pixel % PICTURE_SIDE, Math.floor(pixel / PICTURE_SIDE)];
  const isInside = x >= 8 && x < 14 && y >= 13 && y < 19;
  return isInside ? ([255, 0, 51, 255][i % SHEET_CHANNELS] as number) : 0;
});

test('labelOf() gives each subgroup to one label at most', () => {
  const subgroups = Object.values(SUBGROUPS_BY_LABEL).flat();
  expect(new Set(subgroups).size).toBe(subgroups.length);
  expect(LABELS[labelOf('cat-face') as number]).toBe('mammal');
  expect(labelOf('punctuation')).toBe(undefined);
});

test('familyOf() is the same for skin tones, genders and directions', () => {
  const runner = [
    '1F3C3',
    '1F3C3-1F3FD',
    '1F3C3-200D-2640-FE0F',
    '1F3C3-1F3FB-200D-2642-FE0F-200D-27A1-FE0F',
  ];
  expect(new Set(runner.map(familyOf))).toEqual(new Set(['1F3C3']));
  expect(familyOf('1F469-200D-1F680')).toBe(familyOf('1F9D1-1F3FD-200D-1F680'));
  expect(familyOf('1F469')).toBe(familyOf('1F468-1F3FF'));
  expect(familyOf('1F600')).not.toBe(familyOf('1F601'));
});

test('show() gives equal numbers from 0 to 1 for an equal shot, and others for any other', () => {
  const take = (name: string, seed = 1) => show(square, VARIED, { seed, name });
  expect(take('a')).toEqual(take('a'));
  expect(take('a')).not.toEqual(take('b'));
  expect(take('a')).not.toEqual(take('a', 2));
  expect(take('a').length).toBe(PICTURE_NUMBERS);
  expect(take('a').every((value) => value >= 0 && value <= 1)).toBe(true);
});

test('show() puts a picture on its background, as it is where nothing turns or moves it', () => {
  const still = { angle: [0, 0], scale: [1, 1], shift: 0, ground: [0.5, 0.5] } as const;
  const shown = show(square, still, { seed: 1, name: 'a' });
  const at = (x: number, y: number) => [...shown.subarray(3 * (y * PICTURE_SIDE + x)).subarray(0, 3)];
  expect(at(9, 14)).toEqual([1, 0, Math.fround(0.2)]);
  expect(at(14, 14)).toEqual([0.5, 0.5, 0.5]);
  expect(at(0, 0)).toEqual([0.5, 0.5, 0.5]);
  const dark = show(square, DARK, { seed: 1, name: 'a' });
  expect(Math.max(...dark.subarray(0, 3))).toBeLessThan(0.25);
});

test('createEmojiModel() has the size that its example says, and is fixed by its seed', () => {
  const weightsOf = (seed: number) => {
    const model = createEmojiModel(LABELS.length, seed);
    return { count: model.countParams(), values: model.getWeights().map((each) => [...each.dataSync()]) };
  };
  expect(weightsOf(1)).toEqual(weightsOf(1));
  expect(weightsOf(2)).not.toEqual(weightsOf(1));
  expect(weightsOf(1).count).toBe(151_263);
});

describe.skipIf(pictures.length === 0)('with the pictures of the package', () => {
  test('readPictures() gives every style a thousand emoji and all labels', () => {
    for (const style of STYLES) {
      const own = pictures.filter((picture) => picture.style === style);
      expect(own.length).toBeGreaterThan(1_000);
      expect(new Set(own.map(({ label }) => label)).size).toBe(LABELS.length);
      expect(new Set(own.map(({ points }) => points)).size).toBe(own.length);
      // A cell that was cut at a wrong place would be clear.
      for (const { pixels } of own) expect(pixels.some((_, i) => (pixels[4 * i + 3] ?? 0) > 0)).toBe(true);
    }
  });

  test('planShots() teaches no update an emoji that it tests, in no skin tone or gender', () => {
    const shots = planShots(pictures, { seed: 1, share: 1 }).filter(({ stage }) => stage > 0);
    const splits = new Map<string, Set<string>>();
    for (const { picture, split } of shots)
      splits.set(picture.family, (splits.get(picture.family) ?? new Set()).add(split));
    expect(splits.size).toBeGreaterThan(800);
    expect([...splits.values()].filter(({ size }) => size > 1)).toEqual([]);
  });

  test('stageEmoji() gives five cumulative stages, with all labels and no picture in two splits', () => {
    const { labels, stages, adds } = stageEmoji(pictures, { seed: 1, share: 0.1 });
    expect([labels.length, stages.length, adds.length]).toEqual([LABELS.length, 5, 5]);
    expectCumulative(stages);
    for (const { train, test: tested } of stages)
      for (const examples of [train, tested]) expect(countLabels(examples)).toBe(LABELS.length);
    const [base] = stages as [(typeof stages)[number]];
    const shown = [base.train, base.validation, base.test].flatMap(printExamples);
    expect(new Set(shown).size).toBe(shown.length);
  });

  test('stageEmoji() is fixed by its seed', () => {
    const bytesOf = (seed: number): Buffer => {
      const { stages } = stageEmoji(pictures, { seed, share: 0.03 });
      const last = stages.at(-1) as Split;
      const parts = (['train', 'validation', 'test'] as const).map((split) => last[split]);
      return Buffer.concat(parts.map((part) => Buffer.from(part.features.buffer)));
    };
    const [once, again, other] = [bytesOf(1), bytesOf(1), bytesOf(2)];
    expect(again.equals(once)).toBe(true);
    expect(other.equals(once)).toBe(false);
  });
});
