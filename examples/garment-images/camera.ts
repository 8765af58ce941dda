import { createRandom, uniform } from '../common/random.js';
import { PICTURE_PIXELS, PICTURE_SIDE } from './idx.js';

/** How a camera sees: ranges that each picture draws from. */
export interface Camera {
  readonly name: string;
  /** Degrees that the garment is turned by. */
  readonly angle: readonly [number, number];
  /** Size of the garment, times its own. */
  readonly scale: readonly [number, number];
  /** Pixels that the garment is moved by at most, in either direction. */
  readonly shift: number;
  /** What white becomes, and what black becomes, from 0 to 1. */
  readonly white: number;
  readonly black: number;
  /** Pixels around each that run into it. */
  readonly blur: 0 | 1;
  /** Largest deviation of a pixel, from 0 to 1. */
  readonly noise: number;
}

const STRAIGHT: Omit<Camera, 'name'> = {
  angle: [0, 0],
  scale: [1, 1],
  shift: 0,
  white: 1,
  black: 0,
  blur: 0,
  noise: 0,
};

/** The base model's camera, which leaves pictures as they are, then that of each update. */
export const CAMERAS: readonly Camera[] = [
  { ...STRAIGHT, name: 'straight camera' },
  { ...STRAIGHT, name: 'tilted camera', angle: [12, 40], scale: [0.75, 0.95], shift: 2 },
  { ...STRAIGHT, name: 'negative film', white: 0.1, black: 0.9 },
  { ...STRAIGHT, name: 'ceiling camera', angle: [165, 195], scale: [0.8, 1], shift: 2 },
  { ...STRAIGHT, name: 'soft lens in the dark', blur: 1, white: 0.5, black: 0.05, noise: 0.08 },
  { ...STRAIGHT, name: 'wide angle from the side', angle: [-80, -50], scale: [0.6, 0.75], shift: 4 },
];

/**
 * Takes a picture of a picture. What happens to one never depends on which others there are.
 *
 * @param pixels a picture, a byte a pixel
 * @param camera what it is seen by
 * @param shot seed and name that fix what is drawn by chance
 * @returns `PICTURE_PIXELS` numbers from 0 to 1
 */
export function photograph(
  pixels: Uint8Array,
  camera: Camera,
  shot: { seed: number; name: string },
): Float32Array {
  const random = createRandom(shot.seed, `photograph/${shot.name}`);
  const angle = (uniform(random, ...camera.angle) * Math.PI) / 180;
  const scale = uniform(random, ...camera.scale);
  const [cos, sin] = [Math.cos(angle) / scale, Math.sin(angle) / scale];
  const [shiftX, shiftY] = [uniform(random, -1, 1) * camera.shift, uniform(random, -1, 1) * camera.shift];
  const centre = (PICTURE_SIDE - 1) / 2;
  const seen = new Float32Array(PICTURE_PIXELS);
  for (let i = 0; i < PICTURE_PIXELS; i++) {
    const x = (i % PICTURE_SIDE) - centre - shiftX;
    const y = Math.floor(i / PICTURE_SIDE) - centre - shiftY;
    seen[i] = lightAt(pixels, centre + cos * x + sin * y, centre - sin * x + cos * y);
  }
  const sharp = camera.blur === 0 ? seen : blurred(seen);
  return sharp.map((light) => {
    const grain = camera.noise === 0 ? 0 : uniform(random, -camera.noise, camera.noise);
    return Math.min(1, Math.max(0, camera.black + (camera.white - camera.black) * light + grain));
  });
}

/** Between pixels, light is interpolated; around the picture it is dark. */
function lightAt(pixels: Uint8Array, x: number, y: number): number {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [right, down] = [x - left, y - top];
  const upper = pixelAt(pixels, left, top) * (1 - right) + pixelAt(pixels, left + 1, top) * right;
  const lower = pixelAt(pixels, left, top + 1) * (1 - right) + pixelAt(pixels, left + 1, top + 1) * right;
  return (upper * (1 - down) + lower * down) / 255;
}

function pixelAt(pixels: Uint8Array, x: number, y: number): number {
  const isInside = x >= 0 && y >= 0 && x < PICTURE_SIDE && y < PICTURE_SIDE;
  return isInside ? (pixels[y * PICTURE_SIDE + x] as number) : 0;
}

/** The mean of each pixel and its eight neighbours; at the edge, of those there are. */
function blurred(light: Float32Array): Float32Array {
  return light.map((_, i) => {
    const [column, row] = [i % PICTURE_SIDE, Math.floor(i / PICTURE_SIDE)];
    let [sum, count] = [0, 0];
    for (let y = Math.max(0, row - 1); y <= Math.min(PICTURE_SIDE - 1, row + 1); y++) {
      for (let x = Math.max(0, column - 1); x <= Math.min(PICTURE_SIDE - 1, column + 1); x++) {
        sum += light[y * PICTURE_SIDE + x] as number;
        count++;
      }
    }
    return sum / count;
  });
}
