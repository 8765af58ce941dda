import type { TrainingJob } from '../src/recipe/job.js';
import type { DiffKind } from '../src/recipe/options.js';
import { type Goal, meetsGap, type PlannedTry } from '../src/recipe/search/plan.js';
import type { Metric, Search } from '../src/recipe/search/prepare.js';
import type { Try, TryStore } from '../src/recipe/search/search-diff.js';
import { summarise } from './exit-codes.js';
import { alignColumns, formatShare } from './io.js';
import type { SweepFolder } from './sweep-folder.js';
import { fileOf, type PricedCell, rowOf } from './sweep-grid.js';

/** Tries of a search, and what they are judged by. */
export interface Judged {
  readonly goal: Goal;
  readonly metric: Metric | undefined;
  readonly tries: readonly Try[];
  /** Undefined when no try meets the goal. */
  readonly winner?: Try;
}

/** @returns how a try is judged: the winner, good or not good enough, failed */
export function verdictOf(one: Try, { goal, winner }: Omit<Judged, 'tries'>): string {
  if (one.diff === undefined) return 'failed';
  if (winner?.kind === one.kind && winner.budgetBytes === one.budgetBytes) {
    return goal.type === 'best' ? 'best' : 'smallest';
  }
  if (goal.type === 'best') return 'tried';
  return meetsGap(one, goal.maxGap) ? 'meets' : 'misses';
}

/** @returns the tries for programs */
export function listTries(judged: Judged) {
  return judged.tries.map((one) => {
    const { kind, budgetBytes, gap, diff, error } = one;
    const verdict = verdictOf(one, judged);
    if (diff === undefined) {
      const { code, message } = summarise(error);
      return { kind, budgetBytes, verdict, error: { code, message } };
    }
    const { payloadBytes, share, metrics } = diff;
    return { kind, budgetBytes, payloadBytes, share, metrics: metrics.diff, gap, verdict };
  });
}

/** @returns the tries for people: a table, then what failed and why */
export function formatTries(judged: Judged): string[] {
  const { metric, tries } = judged;
  const name = metric?.name ?? 'metric';
  const cells = tries.flatMap((one) => {
    const { kind, budgetBytes, gap, diff } = one;
    if (diff === undefined) return [];
    const value = diff.metrics.diff[name]?.toFixed(4) ?? '';
    const sizes = [String(budgetBytes), String(diff.payloadBytes), formatShare(diff.share)];
    return [[kind, ...sizes, value, formatSigned(gap), verdictOf(one, judged)]];
  });
  const failed = tries.flatMap(({ kind, budgetBytes, error }) =>
    error ? [`failed: ${kind} ${budgetBytes}: ${error.message}`] : [],
  );
  return [
    ...alignColumns([['kind', 'budget', 'bytes', 'share', name, 'behind', 'verdict'], ...cells]),
    ...(cells.length > 0 ? [meaningOf(judged)] : []),
    ...failed,
  ];
}

/** @returns a try in a line, as soon as it has ended */
export function describeTry(one: Try, metric: Metric): string {
  if (one.diff === undefined) return `failed: ${one.error?.message}`;
  const value = one.diff.metrics.diff[metric.name]?.toFixed(4);
  return `${one.diff.payloadBytes} bytes, ${metric.name} ${value}, ${describeGap(one.gap)}`;
}

/** @returns which examples and unit the table's figures have */
function meaningOf({ metric, tries }: Judged): string {
  const examples = tries.find(({ diff }) => diff)?.diff?.validationExamples ?? 0;
  const on = `on ${examples > 0 ? `${examples} ` : ''}validation examples`;
  return `${on}; behind: difference from the ${metric?.name ?? 'metric'} of the full fine-tune, below 0 is better`;
}

function formatSigned(gap: number): string {
  const text = Math.abs(gap).toFixed(4);
  if (!/[1-9]/.test(text)) return text;
  return gap > 0 ? `+${text}` : `-${text}`;
}

function describeGap(gap: number): string {
  const size = Math.abs(gap).toFixed(4);
  if (!/[1-9]/.test(size)) return 'no difference from the full fine-tune';
  return `${size} ${gap > 0 ? 'behind' : 'better than'} the full fine-tune`;
}

/**
 * Keeps the tries of a search in a folder, as a sweep keeps its jobs.
 *
 * @param job what all tries share
 */
export function keepTriesIn(
  folder: SweepFolder,
  job: Search['job'] & Required<Pick<TrainingJob, 'seed'>>,
): TryStore {
  const cellOf = ({ kind, budgetBytes }: PlannedTry<DiffKind>): PricedCell => {
    const budget = String(budgetBytes);
    const seed = job.seed as number;
    return { job: { ...job, seed, kind, budget }, file: fileOf(kind, budget, seed), budgetBytes };
  };
  return {
    async find(planned) {
      return folder.find(cellOf(planned).file);
    },
    async keep(planned, outcome) {
      const cell = cellOf(planned);
      const payload = outcome.status === 'trained' ? outcome.diff.payload : undefined;
      await folder.keep(cell, rowOf(cell, outcome), payload);
      await folder.flush();
    },
    payload: (planned) => folder.payload(cellOf(planned).file),
  };
}
