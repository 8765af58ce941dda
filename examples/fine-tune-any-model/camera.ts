import type { Random } from '../common/random.js';
import type { Canvas } from './canvas.js';

/** How a picture is taken. */
export interface Exposure {
  /** Factor of every value. */
  readonly brightness: number;
  /** Largest deviation of a value, from 0 to 1. */
  readonly noise: number;
}

/** Turns a canvas into a photograph of it: darker to one side, with a sensor's noise. */
export function photograph(canvas: Canvas, exposure: Exposure, random: Random): void {
  const { size, values } = canvas;
  const [acrossX, acrossY] = [0.3 * (random() - 0.5), 0.3 * (random() - 0.5)];
  for (let i = 0; i < values.length; i++) {
    const pixel = Math.floor(i / 3);
    const [x, y] = [(pixel % size) / size - 0.5, Math.floor(pixel / size) / size - 0.5];
    const light = exposure.brightness * (0.92 + acrossX * x + acrossY * y);
    const grain = (exposure.noise * 2 * (random() + random() + random() - 1.5)) / 3;
    values[i] = Math.min(1, Math.max(0, (values[i] as number) * light + grain));
  }
}
