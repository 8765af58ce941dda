import { expect, test } from 'vitest';
import { Canvas } from '../../../examples/fine-tune-any-model/canvas.js';
import {
  CLASSES,
  drawPicture,
  labelsOf,
  PICTURE_SIZE,
} from '../../../examples/fine-tune-any-model/pictures.js';
import { fingerprint } from '../../../src/model/fingerprint.js';
import { openMemoryStore } from '../../../src/model/store.js';

/** @returns a fingerprint of a picture's pixels */
async function digest(pixels: Float32Array): Promise<string> {
  const bytes = new Uint8Array(pixels.buffer);
  const store = openMemoryStore({
    tensors: [{ name: 'pixels', dtype: 'float32', shape: [pixels.length], bytes }],
  });
  return await fingerprint(store);
}

const NUMBERS = [0, 1, 2, 3, 4, 5, 6, 7];
const brightness = (pixels: Float32Array) => pixels.reduce((sum, value) => sum + value, 0) / pixels.length;

test('drawPicture() draws the same picture for the same seed and number, and another for any other', async () => {
  const draw = (seed: number) =>
    Promise.all(NUMBERS.map((number) => digest(drawPicture(seed, number).pixels)));
  const once = await draw(1);
  expect(await draw(1)).toEqual(once);
  expect(new Set([...once, ...(await draw(2))]).size).toBe(2 * NUMBERS.length);
});

test('drawPicture() gives values from 0 to 1 for every pixel', () => {
  for (const number of NUMBERS) {
    const { pixels } = drawPicture(3, number);
    expect(pixels.length).toBe(PICTURE_SIZE * PICTURE_SIZE * 3);
    expect(pixels.every((value) => value >= 0 && value <= 1)).toBe(true);
  }
});

test('drawPicture() calls sketches drawings and scenes neutral, whether light or dark', () => {
  const pictures = NUMBERS.map((number) => drawPicture(1, number));
  const names = pictures.map(({ label }) => CLASSES[label]);
  expect(names.slice(0, 4)).toEqual(['drawing', 'neutral', 'drawing', 'neutral']);
  const light = pictures.map(({ pixels }) => brightness(pixels));
  for (const [day, night] of [
    [0, 2],
    [1, 3],
    [4, 6],
    [5, 7],
  ] as const) {
    expect(light[day]).toBeGreaterThan(light[night] as number);
  }
});

test('labelsOf() tells the labels of the pictures that are drawn', () => {
  const labels = labelsOf({ seed: 1, first: 6, count: 5 });
  expect([...labels]).toEqual([6, 7, 8, 9, 10].map((number) => drawPicture(1, number).label));
});

test('Canvas draws a line where it should be, and nothing next to it', () => {
  const canvas = new Canvas(8);
  canvas.stroke(
    [
      { x: 0, y: 0.5625 },
      { x: 1, y: 0.5625 },
    ],
    { colour: [1, 0.5, 0], width: 0.125 },
  );
  const row = (y: number) => Array.from(canvas.values.subarray(y * 24, y * 24 + 3));
  expect(row(4)).toEqual([1, 0.5, 0]);
  expect(row(3)).toEqual([0, 0, 0]);
  expect(row(5)).toEqual([0, 0, 0]);
});
