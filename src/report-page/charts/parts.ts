import type { Series } from '../series.js';
import { type Drawing, drawBoth } from './draw.js';
import { labelLayer, rowChannel } from './rows.js';
import { accuracySpan, lookChannels, shareChannel } from './scales.js';

/** A model's accuracy on a class or slice. */
export interface PartDot {
  /** Number of the class, from 0. */
  readonly row: number;
  /** Number of the model's look. */
  readonly series: number;
  readonly accuracy: number;
  readonly about: string;
}

/** What accuracy by class shows. */
export interface PartChart {
  readonly label: string;
  readonly names: readonly string[];
  readonly looks: readonly Series[];
  readonly dots: readonly PartDot[];
}

/** Dots of several models on a line for each class. */
export async function drawParts({ label, names, looks, dots }: PartChart): Promise<Drawing[]> {
  const span = accuracySpan(dots.map(({ accuracy }) => accuracy));
  const x = shareChannel('accuracy', span, 'Accuracy');
  return drawBoth((fit) => {
    const room = fit === 'wide' ? 170 : 96;
    const y = rowChannel(names.length);
    const data = { values: dots };
    const ends = names.map((_, row) => spread(row, dots)).filter((end) => end.low < end.high);
    const rule = { type: 'rule', stroke: 'var(--line-strong)', strokeWidth: 2 };
    const point = { type: 'point', size: 95, filled: true, opacity: 1 };
    const low = { ...x, field: 'low' };
    return {
      label,
      height: 24 * names.length,
      margins: { left: room, right: 24, top: 4, bottom: 44 },
      layers: [
        { data: { values: ends }, mark: rule, encoding: { y, x: low, x2: { field: 'high' } } },
        { data, mark: point, encoding: { y, x, ...lookChannels(looks), description: { field: 'about' } } },
        labelLayer(names, { side: 'left', room }),
      ],
    };
  });
}

function spread(row: number, dots: readonly PartDot[]): { row: number; low: number; high: number } {
  const values = dots.filter((dot) => dot.row === row).map(({ accuracy }) => accuracy);
  return { row, low: Math.min(...values), high: Math.max(...values) };
}
