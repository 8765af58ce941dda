import type { Series } from '../series.js';
import { type Drawing, draw } from './draw.js';
import { lookChannels, shareChannel } from './scales.js';

/** A bin of a model's confidence. */
export interface ReliabilityPoint {
  /** Number of the model's look. */
  readonly series: number;
  readonly confidence: number;
  readonly accuracy: number;
  readonly about: string;
}

const SPAN = { domain: [0, 1], ticks: [0, 0.25, 0.5, 0.75, 1] } as const;

/** Accuracy against confidence: on the diagonal a model is as sure as it is right. */
export async function drawCalibration(
  looks: readonly Series[],
  points: readonly ReliabilityPoint[],
): Promise<Drawing> {
  const x = shareChannel('confidence', SPAN, 'Confidence');
  const y = shareChannel('accuracy', SPAN);
  const { fill, shape } = lookChannels(looks);
  const ends = { values: [0, 1].map((end) => ({ confidence: end, accuracy: end })) };
  const diagonal = { type: 'line', stroke: 'var(--line-strong)', strokeDash: [4, 4], strokeWidth: 1.5 };
  const line = { type: 'line', strokeWidth: 1.5 };
  const point = { type: 'point', size: 70, filled: true, opacity: 1 };
  const data = { values: points };
  return draw('half', {
    label: 'Accuracy against confidence',
    height: 320,
    margins: { left: 56, right: 24, top: 12, bottom: 44 },
    layers: [
      { data: ends, mark: diagonal, encoding: { x, y } },
      { data, mark: line, encoding: { x, y, stroke: fill } },
      { data, mark: point, encoding: { x, y, fill, shape, description: { field: 'about' } } },
    ],
  });
}
