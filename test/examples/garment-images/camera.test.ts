import { expect, test } from 'vitest';
import { CAMERAS, photograph } from '../../../examples/garment-images/camera.js';
import { PICTURE_PIXELS, PICTURE_SIDE } from '../../../examples/garment-images/idx.js';

/** A bright square left of the centre. */
const square = Uint8Array.from({ length: PICTURE_PIXELS }, (_, i) => {
  const [x, y] = [i % PICTURE_SIDE, Math.floor(i / PICTURE_SIDE)];
  return x >= 6 && x < 12 && y >= 11 && y < 17 ? 255 : 0;
});

const take = (camera: number, name = 'a') =>
  photograph(square, CAMERAS[camera] as (typeof CAMERAS)[number], { seed: 1, name });

test('photograph() leaves pictures as they are with the straight camera', () => {
  expect(take(0)).toEqual(Float32Array.from(square, (value) => value / 255));
});

test('photograph() gives equal pictures for an equal shot, another for any other, and values from 0 to 1', () => {
  CAMERAS.forEach((_, camera) => {
    const picture = take(camera);
    expect(take(camera)).toEqual(picture);
    expect(picture.every((value) => value >= 0 && value <= 1)).toBe(true);
  });
  expect(take(1, 'b')).not.toEqual(take(1));
});

test('photograph() swaps light and dark on negative film, and left and right under the ceiling', () => {
  const negative = CAMERAS.findIndex(({ name }) => name === 'negative film');
  const ceiling = CAMERAS.findIndex(({ name }) => name === 'ceiling camera');
  expect(take(negative)[14 * PICTURE_SIDE + 8]).toBeLessThan(take(negative)[0] as number);
  const row = take(ceiling).subarray(13 * PICTURE_SIDE, 14 * PICTURE_SIDE);
  const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);
  expect(sum(row.subarray(PICTURE_SIDE / 2))).toBeGreaterThan(2 * sum(row.subarray(0, PICTURE_SIDE / 2)));
});
