import { formatBytes, formatNumber } from '../format.js';
import type { Series } from '../view.js';
import { type Drawing, draw, drawBoth, WIDTHS } from './draw.js';
import { barLayers, labelLayer, rowChannel } from './rows.js';
import { accuracySpan, byteChannel, byteSpan, lookChannels, shareChannel, zeroSpan } from './scales.js';

/** An alternative for shipping, with its size. */
export interface ByteBar {
  readonly name: string;
  readonly bytes: number;
  readonly colour: string;
}

/** @param bars at least one byte each */
export async function drawBytes(bars: readonly ByteBar[]): Promise<Drawing[]> {
  const span = byteSpan(
    bars.map(({ bytes }) => bytes),
    { isFromTick: true },
  );
  const names = bars.map(({ name }) => name);
  const values = bars.map(({ name, bytes, colour }, row) => ({
    row,
    value: bytes,
    colour,
    start: span.domain[0],
    written: formatNumber(bytes),
    about: `${name}: ${formatBytes(bytes)}`,
  }));
  const x = byteChannel('value', span, 'Bytes');
  return drawBoth((fit) => {
    const isWide = fit === 'wide';
    const margins = { left: isWide ? 230 : 18, right: isWide ? 90 : 70, top: 4, bottom: 44 };
    const room = isWide ? margins.left : WIDTHS[fit] - margins.left;
    return {
      label: 'Bytes of every way to ship the update',
      height: (isWide ? 28 : 42) * bars.length,
      margins,
      layers: [
        ...barLayers(values, x, { height: isWide ? 20 : 12 }),
        labelLayer(names, { side: isWide ? 'left' : 'above', room }),
      ],
    };
  });
}

/** A tensor and its share. */
interface LayerBar {
  readonly name: string;
  readonly value: number;
  readonly written: string;
  readonly about: string;
}

/** A chart of shares by tensor. */
interface LayerChart {
  readonly label: string;
  readonly colour: string;
  readonly bars: readonly LayerBar[];
}

/** Draws bars from 0, one per tensor. */
export async function drawLayers({ label, colour, bars }: LayerChart): Promise<Drawing> {
  const names = bars.map(({ name }) => name);
  const values = bars.map((bar, row) => ({ ...bar, row, colour, start: 0 }));
  const x = shareChannel('value', zeroSpan(bars.map(({ value }) => value)));
  const margins = { left: 124, right: 62, top: 4, bottom: 26 };
  return draw('half', {
    label,
    margins,
    height: 22 * bars.length,
    layers: [
      ...barLayers(values, x, { height: 15 }),
      labelLayer(names, { side: 'left', room: margins.left }),
    ],
  });
}

/** A model's accuracy on a class or slice. */
export interface PartDot {
  /** Index of the class. */
  readonly row: number;
  /** Index of the model's series. */
  readonly series: number;
  readonly accuracy: number;
  readonly about: string;
}

/** A chart of accuracy by class. */
interface PartChart {
  readonly label: string;
  readonly names: readonly string[];
  readonly looks: readonly Series[];
  readonly dots: readonly PartDot[];
}

/** Draws dots of several models on one line per class. */
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
