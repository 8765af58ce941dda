import { type Drawing, draw } from './draw.js';
import { barLayers, labelLayer } from './rows.js';
import { shareChannel, zeroSpan } from './scales.js';

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
  const names = bars.map(({ name }) => name);
  const values = bars.map((bar, row) => ({ ...bar, row, colour, start: 0 }));
  const x = shareChannel('value', zeroSpan(bars.map(({ value }) => value)));
  const margins = { left: 124, right: 62, top: 4, bottom: 26 };
  return draw('half', {
    ...{ label, margins, height: 22 * bars.length },
    layers: [
      ...barLayers(values, x, { height: 15 }),
      labelLayer(names, { side: 'left', room: margins.left }),
    ],
  });
}
