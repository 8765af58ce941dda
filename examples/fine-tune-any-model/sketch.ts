import type { Random } from '../common/random.js';
import { photograph } from './camera.js';
import { Canvas, type Colour, type Point } from './canvas.js';
import { drawScribble } from './scribble.js';

/** What a sketch is made with: dark ink on light paper, or light chalk on a dark board. */
export type Medium = 'ink' | 'chalk';

/** Corners of a round or angular shape. */
const CORNERS = [3, 4, 5, 6, 24] as const;

/**
 * Draws lines and shapes as if by hand, and photographs them.
 *
 * @param size pixels a side
 * @returns the sketch
 */
export function drawSketch(size: number, medium: Medium, random: Random): Canvas {
  const canvas = new Canvas(size);
  const ground = groundOf(medium, random);
  canvas.fill(() => ground);
  const shapes = 4 + Math.floor(8 * random());
  for (let i = 0; i < shapes; i++) {
    const pen = { colour: penColour(medium, random), width: 0.006 + 0.014 * random() };
    canvas.stroke(random() < 0.6 ? drawShape(random) : drawScribble(random), pen);
  }
  photograph(canvas, { brightness: 1, noise: 0.08 }, random);
  return canvas;
}

function groundOf(medium: Medium, random: Random): Colour {
  if (medium === 'ink') return [0.9 + 0.1 * random(), 0.9 + 0.1 * random(), 0.85 + 0.1 * random()];
  return [0.05 + 0.1 * random(), 0.1 + 0.2 * random(), 0.08 + 0.15 * random()];
}

function penColour(medium: Medium, random: Random): Colour {
  const strength = medium === 'ink' ? 0.35 : 0.3;
  const start = medium === 'ink' ? 0 : 0.7;
  return [start + strength * random(), start + strength * random(), start + strength * random()];
}

/** A closed shape that is a little off, as hands draw. */
function drawShape(random: Random): Point[] {
  const centre = { x: 0.15 + 0.7 * random(), y: 0.15 + 0.7 * random() };
  const [width, height] = [0.05 + 0.2 * random(), 0.05 + 0.2 * random()];
  const corners = CORNERS[Math.floor(CORNERS.length * random())] as number;
  const turn = random();
  const points = Array.from({ length: corners }, (_, i) => {
    const { x, y } = onCircle((i / corners + turn) % 1);
    const wobble = 1 + 0.06 * (random() - 0.5);
    return { x: centre.x + width * wobble * x, y: centre.y + height * wobble * y };
  });
  return [...points, points[0] as Point];
}

/**
 * A point of the unit circle at a share of its turn, by a rational curve: sine and cosine differ between
 * machines.
 */
function onCircle(turn: number): Point {
  const side = turn < 0.5 ? 1 : -1;
  const t = 4 * (turn % 0.5) - 1;
  const scale = side / (1 + t * t);
  return { x: 2 * t * scale, y: (1 - t * t) * scale };
}
