import { deviationOf, meanOf } from '../accuracy/result.js';
import type { Unit } from '../common/prepare.js';
import type { Goal } from '../common/report.js';

/** What one of consecutive updates led to. */
export interface Step {
  /** From 1. */
  readonly update: number;
  /** Of the payload; null for full fine-tunes. */
  readonly bytes: number | null;
  /** On everything so far. */
  readonly accuracy: number;
  /** What the base model had on the base's own test data, less what there is now. */
  readonly oldLoss: number;
  /** Largest absolute value among the trained biases, scales and shifts (tensors of one dimension). */
  readonly largestDense: number;
}

/** Consecutive updates by one method. */
export interface Chain {
  readonly method: string;
  readonly steps: readonly Step[];
}

/** What one task gave with one seed. */
export interface SequenceResult extends Unit {
  readonly weights: number;
  readonly chains: readonly Chain[];
}

/** A row of the table: means over the seeds. */
export interface SequenceRow {
  readonly task: string;
  readonly method: string;
  readonly update: number;
  readonly seeds: number;
  readonly bytes: number | null;
  readonly share: number | null;
  readonly mean: number;
  readonly deviation: number;
  /** Behind the chain of full fine-tunes. */
  readonly behind: number;
  readonly 'loss on base data': number;
  /** Largest absolute bias or norm parameter, of all seeds, and that in the chain of full fine-tunes. */
  readonly 'largest bias or norm': number;
  readonly 'in full chain': number;
  readonly [column: string]: string | number | null;
}

/** @returns a row for every method and update of one task */
export function rowsOf(results: readonly SequenceResult[]): SequenceRow[] {
  const [first] = results as [SequenceResult];
  return first.chains.flatMap(({ method, steps }, c) =>
    steps.map(({ update }, s): SequenceRow => {
      const own = results.map(({ chains }) => chains[c]?.steps[s] as Step);
      const full = results.map(({ chains }) => chains[0]?.steps[s] as Step);
      const accuracies = own.map(({ accuracy }) => accuracy);
      const bytes = own[0]?.bytes === null ? null : Math.max(...own.map((step) => step.bytes as number));
      return {
        task: first.task,
        method,
        update,
        seeds: results.length,
        bytes,
        share: bytes === null ? null : bytes / (4 * first.weights),
        mean: meanOf(accuracies),
        deviation: deviationOf(accuracies),
        behind: meanOf(full.map(({ accuracy }, i) => accuracy - (accuracies[i] as number))),
        'loss on base data': meanOf(own.map(({ oldLoss }) => oldLoss)),
        'largest bias or norm': Math.max(...own.map(({ largestDense }) => largestDense)),
        'in full chain': Math.max(...full.map(({ largestDense }) => largestDense)),
      };
    }),
  );
}

/** @returns the goals of one task, for the kind that is best after the last update */
export function goalsOf(rows: readonly SequenceRow[]): Goal[] {
  const last = Math.max(...rows.map(({ update }) => update));
  const ends = rows.filter(({ update, share }) => update === last && share !== null);
  const best = ends.reduce((a, b) => (b.mean > a.mean ? b : a));
  const shares = rows.filter(({ method }) => method === best.method).map(({ share }) => share as number);
  const id = (what: string): string => `sequence.${best.task}.${what}`;
  return [
    { id: id('largest-share'), value: Math.max(...shares), goal: 0.005, better: 'lower' },
    { id: id('last-behind'), value: best.behind, goal: 0.005, better: 'lower' },
    { id: id('base-loss'), value: best['loss on base data'], goal: 0.005, better: 'lower' },
  ];
}
