import type { Series } from '../series.js';
import { type Drawing, drawBoth } from './draw.js';
import { accuracySpan, lookChannels, shareChannel } from './scales.js';

/** What a method is worth after an update. */
export interface UpdateDot {
  /** Number of the method's look. */
  readonly series: number;
  /** From 1. */
  readonly update: number;
  readonly accuracy: number;
  readonly about: string;
}

/** Accuracy update after update, a line for each method. */
export async function drawSequence(looks: readonly Series[], dots: readonly UpdateDot[]): Promise<Drawing[]> {
  const y = shareChannel('accuracy', accuracySpan(dots.map(({ accuracy }) => accuracy)));
  const updates = [...new Set(dots.map(({ update }) => update))].sort((a, b) => a - b);
  const axis = { title: 'Update', grid: false, values: updates, format: 'd' };
  const domain = [updates[0], Math.max(updates.at(-1) ?? 1, (updates[0] ?? 1) + 1)];
  const scale = { domain, nice: false, zero: false, padding: 16 };
  const x = { field: 'update', type: 'quantitative', scale, axis };
  const { fill, shape } = lookChannels(looks);
  const data = { values: dots };
  const line = { type: 'line', strokeWidth: 2 };
  const point = { type: 'point', size: 80, filled: true, opacity: 1 };
  return drawBoth((fit) => ({
    label: 'Accuracy after each update',
    height: fit === 'wide' ? 260 : 240,
    margins: { left: 56, right: 16, top: 10, bottom: 44 },
    layers: [
      { data, mark: line, encoding: { x, y, stroke: fill } },
      { data, mark: point, encoding: { x, y, fill, shape, description: { field: 'about' } } },
    ],
  }));
}
