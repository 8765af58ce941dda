import { cutText } from '../clean.js';
import { type Drawing, draw } from './draw.js';
import { labelLayer, rowChannel, shareChannel, zeroSpan } from './scales.js';

/** A tensor, and a share of it. */
export interface LayerBar {
  readonly name: string;
  readonly value: number;
  readonly written: string;
  readonly about: string;
}

/** What a chart by tensor shows. */
export interface LayerChart {
  readonly label: string;
  readonly colour: string;
  readonly bars: readonly LayerBar[];
}

/** Bars from 0, a tensor each. */
export async function drawLayers({ label, colour, bars }: LayerChart): Promise<Drawing> {
  const labels = bars.map(({ name }) => cutText(name, 16));
  const values = bars.map(({ value, written, about }, row) => ({ row, value, written, about, start: 0 }));
  const x = shareChannel('value', zeroSpan(bars.map(({ value }) => value)));
  const y = rowChannel(labels);
  const bar = { type: 'bar', fill: colour, cornerRadiusEnd: 2 };
  const text = { type: 'text', align: 'left', baseline: 'middle', dx: 6 };
  return draw('half', {
    label,
    height: 22 * bars.length,
    margins: { left: 124, right: 62, top: 4, bottom: 26 },
    layers: [
      {
        data: { values },
        mark: bar,
        encoding: { y, x, x2: { field: 'start' }, description: { field: 'about' } },
      },
      { data: { values }, mark: text, encoding: { y, x, text: { field: 'written' } } },
      labelLayer(labels),
    ],
  });
}
