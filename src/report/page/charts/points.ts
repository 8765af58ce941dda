import type { Estimate } from '../../interval.js';
import type { Series } from '../view.js';
import { type Drawing, draw, drawBoth } from './draw.js';
import { accuracySpan, byteChannel, byteSpan, lookChannels, shareChannel } from './scales.js';

/** A payload or another method at one size. */
interface SizePoint {
  readonly bytes: number;
  readonly accuracy: Estimate;
  readonly about: string;
}

/** A chart of size against accuracy. */
export interface SizeChart {
  readonly candidates: readonly (SizePoint & { readonly look: Series })[];
  /** Points of other methods; those of one method are joined by a line. */
  readonly others: readonly (SizePoint & { readonly method: string })[];
  /** Horizontal lines. */
  readonly rules: readonly { readonly name: string; readonly accuracy: number; readonly colour: string }[];
  /** What the bytes are of; by default the payload. */
  readonly of?: string;
}

/** @param chart with at least one point */
export async function drawSizes(chart: SizeChart): Promise<Drawing[]> {
  const points = [...chart.candidates, ...chart.others];
  const bytes = byteSpan(
    points.map((point) => point.bytes),
    { isFromTick: false },
  );
  const accuracy = accuracySpan([
    ...points.flatMap((point) => [point.accuracy.low, point.accuracy.high]),
    ...chart.rules.map((rule) => rule.accuracy),
  ]);
  const y = shareChannel('accuracy', accuracy);
  return drawBoth((fit) => {
    const x = byteChannel('bytes', bytes, `Bytes of the ${chart.of ?? 'payload'}`);
    return {
      label: 'Accuracy against bytes',
      height: fit === 'wide' ? 340 : 300,
      margins: { left: 56, right: 12, top: 18, bottom: 44 },
      layers: [
        ...ruleLayers(chart.rules, y),
        ...otherLayers(chart.others, x, y),
        ...candidateLayers(chart, x, y),
      ],
    };
  });
}

/** @param rules the field of `y`, `name` and `colour` of each */
export function ruleLayers(rules: readonly object[], y: object): object[] {
  if (rules.length === 0) return [];
  const data = { values: rules };
  const fill = { field: 'colour', type: 'nominal', scale: null };
  const text = { type: 'text', align: 'right', baseline: 'bottom', x: 'width', dy: -4 };
  const line = { type: 'rule', strokeDash: [5, 4], strokeWidth: 1.5 };
  return [
    { data, mark: line, encoding: { y, stroke: fill } },
    { data, mark: text, encoding: { y, text: { field: 'name' }, fill } },
  ];
}

function otherLayers(others: SizeChart['others'], x: object, y: object): object[] {
  // A layer without marks would be a picture without a text.
  if (others.length === 0) return [];
  const methods = [...new Set(others.map(({ method }) => method))];
  const values = others.map((other) => ({
    bytes: other.bytes,
    accuracy: other.accuracy.value,
    method: methods.indexOf(other.method),
    about: other.about,
  }));
  const line = { type: 'line', stroke: 'var(--other)', strokeWidth: 1, interpolate: 'linear' };
  const point = { type: 'circle', size: 42, fill: 'var(--other)', opacity: 1 };
  const detail = { field: 'method', type: 'nominal' };
  return [
    { data: { values }, mark: line, encoding: { x, y, detail } },
    { data: { values }, mark: point, encoding: { x, y, description: { field: 'about' } } },
  ];
}

function candidateLayers({ candidates }: SizeChart, x: object, y: object): object[] {
  const values = candidates.map(({ bytes, accuracy, about }, series) => ({
    bytes,
    accuracy: accuracy.value,
    low: accuracy.low,
    high: accuracy.high,
    about,
    series,
  }));
  const { fill, shape } = lookChannels(candidates.map(({ look }) => look));
  const bar = { type: 'rule', strokeWidth: 1.5 };
  const point = { type: 'point', size: 110, filled: true, opacity: 1 };
  const low = { ...y, field: 'low' };
  return [
    { data: { values }, mark: bar, encoding: { x, y: low, y2: { field: 'high' }, stroke: fill } },
    { data: { values }, mark: point, encoding: { x, y, fill, shape, description: { field: 'about' } } },
  ];
}

/** A bin of a model's confidence. */
interface ReliabilityPoint {
  /** Index of the model's series. */
  readonly series: number;
  readonly confidence: number;
  readonly accuracy: number;
  readonly about: string;
}

const SPAN = { domain: [0, 1], ticks: [0, 0.25, 0.5, 0.75, 1] } as const;

/** Draws accuracy against confidence; a calibrated model is on the diagonal. */
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
