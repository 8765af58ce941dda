import type { Candidate, MeasuredModel, Part, Report } from '../document.js';

/** A model of the report and its series in charts and tables. */
export interface ShownModel {
  readonly series: Series;
  readonly model: MeasuredModel;
}

/** A payload of the report and its series. */
export interface ShownCandidate {
  readonly series: Series;
  readonly candidate: Candidate;
}

/** A report prepared for its page. */
export interface View {
  readonly report: Report;
  readonly candidates: readonly ShownCandidate[];
  /** The payload to ship, or else the first one. */
  readonly main?: ShownCandidate;
  /** Base, full fine-tune and payloads. */
  readonly models: readonly ShownModel[];
}

/** @param report with strings that are safe to display */
export function viewReport(report: Report): View {
  const candidates = report.candidates.map((candidate, index) => ({
    candidate,
    series: seriesAt(index, candidate.name),
  }));
  const main = candidates.find(({ candidate }) => candidate.name === report.advice.ship) ?? candidates[0];
  const models = [
    { series: BASE_SERIES, model: report.base },
    ...(report.full === undefined ? [] : [{ series: FULL_SERIES, model: report.full }]),
    ...candidates.map(({ series, candidate }) => ({ series, model: candidate })),
  ];
  return { report, candidates, ...(main === undefined ? {} : { main }), models };
}

/** One class or slice in all models; undefined for a model without a part of that name. */
export interface PartRow {
  readonly name: string;
  readonly examples: number;
  readonly parts: readonly (Part | undefined)[];
}

/** @returns classes or slices of some models, one row each, in the order of the first model with any */
export function partRows(models: readonly ShownModel[], kind: 'classes' | 'slices'): PartRow[] {
  const lists = models.map(({ model }) => model.quality?.[kind] ?? []);
  const first = lists.find((list) => list.length > 0) ?? [];
  return first.map(({ name, examples }, index) => {
    const parts = lists.map((list) =>
      list[index]?.name === name ? list[index] : list.find((part) => part.name === name),
    );
    return { name, examples, parts };
  });
}

/** The look of a model or method in all charts of a page, never distinguished by colour alone. */
export interface Series {
  readonly name: string;
  /** A CSS colour variable, with values for light and dark schemes. */
  readonly colour: string;
  /** An SVG path within about -1 to 1. */
  readonly shape: string;
}

const CIRCLE = 'M0,-1A1,1,0,1,1,0,1A1,1,0,1,1,0,-1Z';
const SQUARE = 'M-.88,-.88H.88V.88H-.88Z';
const TRIANGLE = 'M0,-1.15L1.1,.85H-1.1Z';
const DIAMOND = 'M0,-1.25L1.25,0L0,1.25L-1.25,0Z';
const CROSS = 'M-.4,-1.1H.4V-.4H1.1V.4H.4V1.1H-.4V.4H-1.1V-.4H-.4Z';
const DOWN = 'M0,1.15L1.1,-.85H-1.1Z';
const SHAPES = [CIRCLE, SQUARE, TRIANGLE, DIAMOND, CROSS, DOWN];

/** Bars, for the base and the full fine-tune. */
const BAR = 'M-1.2,-.4H1.2V.4H-1.2Z';
const UPRIGHT = 'M-.4,-1.2H.4V1.2H-.4Z';

/** Number of series colours in the style sheet. */
const COLOURS = 6;

export const BASE_SERIES: Series = { name: 'Base', colour: 'var(--base)', shape: UPRIGHT };
export const FULL_SERIES: Series = { name: 'Full fine-tune', colour: 'var(--full)', shape: BAR };

/** @returns the look of the n-th series, from 0; looks repeat after 36 */
export function seriesAt(index: number, name: string): Series {
  const colour = `var(--series-${1 + (index % COLOURS)})`;
  const turn = Math.floor(index / COLOURS);
  return { name, colour, shape: SHAPES[(index + turn) % SHAPES.length] as string };
}
