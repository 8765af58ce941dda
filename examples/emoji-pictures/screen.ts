import { createRandom, uniform } from '../common/random.js';
import { PICTURE_SIDE, SHEET_CHANNELS } from './sheets.js';

/** The shape the model takes a picture in: rows, columns, red, green and blue. */
export const PICTURE_SHAPE = [PICTURE_SIDE, PICTURE_SIDE, 3] as const;

/** Numbers of a picture. */
export const PICTURE_NUMBERS = 3 * PICTURE_SIDE * PICTURE_SIDE;

/** How a picture is shown: ranges that each draws from. */
export interface Screen {
  /** Degrees that it is turned by. */
  readonly angle: readonly [number, number];
  /** Size, times its own. */
  readonly scale: readonly [number, number];
  /** Pixels that it is moved by at most, in either direction. */
  readonly shift: number;
  /** Brightness of what is behind it, a channel each, from 0 to 1. */
  readonly ground: readonly [number, number];
}

/** On a screen that somebody photographs, the background light. */
export const VARIED: Screen = { angle: [-8, 8], scale: [0.85, 1.05], shift: 2, ground: [0.75, 1] };

/** As `VARIED`, the background dark. */
export const DARK: Screen = { ...VARIED, ground: [0, 0.25] };

/**
 * Shows a picture. What happens to one never depends on which others there are.
 *
 * @param pixels `PICTURE_SIDE` rows of as many pixels of `SHEET_CHANNELS` bytes
 * @param shot seed and name that fix what is drawn by chance
 * @returns `PICTURE_NUMBERS` numbers from 0 to 1
 */
export function show(pixels: Uint8Array, screen: Screen, shot: { seed: number; name: string }): Float32Array {
  const random = createRandom(shot.seed, `show/${shot.name}`);
  const angle = (uniform(random, ...screen.angle) * Math.PI) / 180;
  const scale = uniform(random, ...screen.scale);
  const [cos, sin] = [Math.cos(angle) / scale, Math.sin(angle) / scale];
  const [shiftX, shiftY] = [uniform(random, -1, 1) * screen.shift, uniform(random, -1, 1) * screen.shift];
  const ground = [0, 1, 2].map(() => uniform(random, ...screen.ground));
  const centre = (PICTURE_SIDE - 1) / 2;
  const shown = new Float32Array(PICTURE_NUMBERS);
  const seen = new Float32Array(SHEET_CHANNELS);
  for (let i = 0; i < PICTURE_SIDE * PICTURE_SIDE; i++) {
    const x = (i % PICTURE_SIDE) - centre - shiftX;
    const y = Math.floor(i / PICTURE_SIDE) - centre - shiftY;
    lookAt(pixels, { x: centre + cos * x + sin * y, y: centre - sin * x + cos * y }, seen);
    const clear = 1 - (seen[3] as number);
    for (let channel = 0; channel < 3; channel++)
      shown[3 * i + channel] = (seen[channel] as number) + clear * (ground[channel] as number);
  }
  return shown;
}

/** Between pixels, colours are interpolated, their opacity multiplied in; around the picture it is clear. */
function lookAt(pixels: Uint8Array, { x, y }: { x: number; y: number }, seen: Float32Array): void {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  seen.fill(0);
  for (let corner = 0; corner < 4; corner++) {
    const [column, row] = [left + (corner & 1), top + (corner >> 1)];
    if (column < 0 || row < 0 || column >= PICTURE_SIDE || row >= PICTURE_SIDE) continue;
    const at = (row * PICTURE_SIDE + column) * SHEET_CHANNELS;
    const opacity = (pixels[at + 3] as number) / 255;
    if (opacity === 0) continue;
    const share = opacity * (1 - Math.abs(x - column)) * (1 - Math.abs(y - row));
    for (let channel = 0; channel < 3; channel++)
      seen[channel] = (seen[channel] as number) + (share * (pixels[at + channel] as number)) / 255;
    seen[3] = (seen[3] as number) + share;
  }
}
