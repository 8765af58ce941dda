import type { Random } from '../common/random.js';
import type { Point } from './canvas.js';

/** @returns a line that wanders off */
export function drawScribble(random: Random): Point[] {
  let point = { x: random(), y: random() };
  let heading = { x: random() - 0.5, y: random() - 0.5 };
  return Array.from({ length: 6 + Math.floor(14 * random()) }, () => {
    heading = { x: 0.8 * heading.x + 0.5 * (random() - 0.5), y: 0.8 * heading.y + 0.5 * (random() - 0.5) };
    point = { x: point.x + 0.15 * heading.x, y: point.y + 0.15 * heading.y };
    return point;
  });
}
