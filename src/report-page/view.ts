import type { Candidate, MeasuredModel, Part, Report } from '../report/index.js';
import { BASE_SERIES, FULL_SERIES, type Series, seriesAt } from './series.js';

/** A model of the report, and how it looks in charts and tables. */
export interface ShownModel {
  readonly series: Series;
  readonly model: MeasuredModel;
}

/** A payload of the report, and how it looks. */
export interface ShownCandidate {
  readonly series: Series;
  readonly candidate: Candidate;
}

/** A report as its page takes it. */
export interface View {
  readonly report: Report;
  readonly candidates: readonly ShownCandidate[];
  /** The payload to ship, else the first one. */
  readonly main?: ShownCandidate;
  /** Base, full fine-tune and payloads. */
  readonly models: readonly ShownModel[];
}

/** @param report one whose strings are fit to show */
export function viewReport(report: Report): View {
  const candidates = report.candidates.map((candidate, index) => ({
    ...{ candidate, series: seriesAt(index, candidate.name) },
  }));
  const main = candidates.find(({ candidate }) => candidate.name === report.advice.ship) ?? candidates[0];
  const models = [
    { series: BASE_SERIES, model: report.base },
    ...(report.full === undefined ? [] : [{ series: FULL_SERIES, model: report.full }]),
    ...candidates.map(({ series, candidate }) => ({ series, model: candidate })),
  ];
  return { report, candidates, ...(main === undefined ? {} : { main }), models };
}

/** The parts of all models that are one class or slice: absent where a model has none of that name. */
export interface PartRow {
  readonly name: string;
  readonly examples: number;
  readonly parts: readonly (Part | undefined)[];
}

/** @returns classes or slices of some models, a row each, in the order of the first model that has any */
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
