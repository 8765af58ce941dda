import type { Series } from '../view.js';
import { type Drawing, drawBoth } from './draw.js';
import { ruleLayers } from './points.js';
import { accuracySpan, lookChannels, numberChannel, shareChannel, zeroSpan } from './scales.js';

/** A value of a series, at a whole number. */
interface LinePoint {
  /** Index of its series. */
  readonly series: number;
  /** From 1. */
  readonly at: number;
  readonly value: number;
  readonly about: string;
}

/** A chart of lines over whole numbers, such as epochs. */
export interface LineChart {
  readonly label: string;
  /** What is counted along the axis. */
  readonly along: string;
  readonly looks: readonly Series[];
  readonly points: readonly LinePoint[];
  /** Horizontal lines. */
  readonly rules?: readonly { readonly name: string; readonly value: number; readonly colour: string }[];
  /** Shares get a percentage, and a scale of their range; other numbers a scale from 0. */
  readonly unit: 'share' | 'number';
}

/** @param chart with at least one point */
export function drawLines({ label, along, looks, points, rules = [], unit }: LineChart): Promise<Drawing[]> {
  const values = [...points, ...rules].map(({ value }) => value);
  const y =
    unit === 'share' ? shareChannel('value', accuracySpan(values)) : numberChannel('value', zeroSpan(values));
  const numbers = [...new Set(points.map(({ at }) => at))].sort((a, b) => a - b);
  const { fill, shape } = lookChannels(looks);
  const data = { values: points };
  const line = { type: 'line', strokeWidth: 2 };
  // A point for each of many epochs would hide the line.
  const point = {
    type: 'point',
    size: points.length > 12 * looks.length ? 24 : 80,
    filled: true,
    opacity: 1,
  };
  return drawBoth((fit) => ({
    label,
    height: fit === 'wide' ? 240 : 220,
    margins: { left: 56, right: 16, top: 18, bottom: 44 },
    layers: [
      ...ruleLayers(rules, y),
      { data, mark: line, encoding: { x: countChannel(numbers, along, fit), y, stroke: fill } },
      {
        data,
        mark: point,
        encoding: { x: countChannel(numbers, along, fit), y, fill, shape, description: { field: 'about' } },
      },
    ],
  }));
}

/** @returns an encoding of whole numbers, with labels at all of them, or at multiples of a round one */
function countChannel(numbers: readonly number[], title: string, fit: string): object {
  const [first = 1] = numbers;
  const most = fit === 'wide' ? 20 : 8;
  const multiplesOf = (step: number): number[] => numbers.filter((each) => each % step === 0);
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500];
  const values = multiplesOf(steps.find((step) => multiplesOf(step).length <= most) ?? 1000);
  // Vega drops every other one where there are more than its own steps would make.
  const axis = { title, grid: false, values, tickMinStep: 0.5, format: 'd' };
  const domain = [first, Math.max(numbers.at(-1) ?? 1, first + 1)];
  const scale = { domain, nice: false, zero: false, padding: 16 };
  return { field: 'at', type: 'quantitative', scale, axis };
}
