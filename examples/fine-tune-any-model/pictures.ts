import { createStream } from '../common/random.js';
import { drawScene } from './scene.js';
import { drawSketch } from './sketch.js';

/** Pixels a side of the pictures that the model takes. */
export const PICTURE_SIZE = 224;

/** The model's own classes, in the order of its outputs; the update is about `drawing` and `neutral`. */
export const CLASSES = ['drawing', 'hentai', 'neutral', 'porn', 'sexy'] as const;

/** Kinds of pictures that take turns, and what each is. */
const KINDS = [
  { draw: drawSketch.bind(undefined, PICTURE_SIZE, 'ink'), label: CLASSES.indexOf('drawing') },
  { draw: drawScene.bind(undefined, PICTURE_SIZE, 'day'), label: CLASSES.indexOf('neutral') },
  { draw: drawSketch.bind(undefined, PICTURE_SIZE, 'chalk'), label: CLASSES.indexOf('drawing') },
  { draw: drawScene.bind(undefined, PICTURE_SIZE, 'night'), label: CLASSES.indexOf('neutral') },
] as const;

/** A picture and what it shows. */
export interface Picture {
  /** Row-major, red, green and blue from 0 to 1 a pixel. */
  readonly pixels: Float32Array;
  /** Place among `CLASSES`. */
  readonly label: number;
}

/** Some pictures of the endless series that a seed stands for. */
export interface PictureSet {
  readonly seed: number;
  /** Number of the first picture; a multiple of 4 keeps the kinds in balance. */
  readonly first: number;
  readonly count: number;
}

/** Far enough apart for the series of two seeds to have no picture in common. */
const SEED_STRIDE = 100_003;

/**
 * Draws a picture.
 *
 * @param seed of the series
 * @param number of the picture; each has a random stream of its own
 */
export function drawPicture(seed: number, number: number): Picture {
  const kind = KINDS[number % KINDS.length] as (typeof KINDS)[number];
  const canvas = kind.draw(createStream((seed * SEED_STRIDE + number) >>> 0));
  return { pixels: canvas.values, label: kind.label };
}

/** @returns the labels of a set, without drawing it */
export function labelsOf({ first, count }: PictureSet): Int32Array {
  return Int32Array.from(
    { length: count },
    (_, i) => (KINDS[(first + i) % KINDS.length] as { label: number }).label,
  );
}
