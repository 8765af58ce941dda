import type { Goal } from '../common/report.js';
import { OURS, type ProgramResult } from './programs.js';
import type { Rates } from './rates.js';

/** What an update may cost next to the best other program: of any pair, and of fine-tunes in bfloat16. */
const RATIO_GOAL = 0.98;
const HALVES_GOAL = 0.76;

/** Bytes of published pairs. */
const BYTE_GOALS: Readonly<Record<string, number>> = {
  'pose-lite': 1.9e6,
  'pose-full': 4.62e6,
  'pose-heavy': 15.8e6,
};

/** Bytes of an update that changes nothing. */
const NO_CHANGE_GOAL = 40;

/** Weights a second and core, and seconds that a process takes to start and to compare with compressors. */
const ENCODE_RATE_GOAL = 30e6;
const DECODE_RATE_GOAL = 15e6;
const FAST_DECODE_RATE_GOAL = 80e6;
const START_SECONDS = 1;

/** What all programs made of a pair. */
export interface MeasuredPair {
  readonly name: string;
  readonly results: readonly ProgramResult[];
  /** Bytes of the next files, and weights in them. */
  readonly wholeBytes: number;
  readonly weights: number;
  /** Whether base and next are the same files. */
  readonly isIdentical: boolean;
}

/** @returns the goals of a pair, and those of all: the worst pair, and weights a second */
export function goalsOf(pairs: readonly MeasuredPair[], rates: Rates | undefined): Goal[] {
  const changed = pairs.filter(({ isIdentical }) => !isIdentical);
  const ratios = changed.map(ratioOf);
  const worst = ratios.includes(null) || ratios.length === 0 ? null : Math.max(...(ratios as number[]));
  return [
    ...pairs.flatMap(pairGoals),
    { id: 'exact.worst-ratio', value: worst, goal: RATIO_GOAL, better: 'lower' },
    ...(rates === undefined ? [] : rateGoals(rates)),
  ];
}

function pairGoals(pair: MeasuredPair): Goal[] {
  const { name, results, wholeBytes, weights, isIdentical } = pair;
  const id = `exact.${name.replaceAll(/[^\w.]+/g, '-')}`;
  const ours = oursOf(results);
  const best = bestOther(results);
  const share = name.endsWith('fine-tune, bfloat16') ? HALVES_GOAL : RATIO_GOAL;
  const bytesGoal = isIdentical
    ? NO_CHANGE_GOAL
    : (BYTE_GOALS[name] ?? Math.floor(share * (best ?? wholeBytes)));
  const lower = { better: 'lower' } as const;
  const ratio = { id: `${id}.of-best-other`, value: ratioOf(pair), goal: share, ...lower };
  return [
    ...(isIdentical ? [] : [ratio]),
    { id: `${id}.bytes`, value: ours?.bytes ?? null, goal: bytesGoal, ...lower },
    { id: `${id}.best-other-bytes`, value: best, goal: wholeBytes, ...lower },
    {
      id: `${id}.encode-seconds`,
      value: ours?.encodeSeconds ?? null,
      goal: START_SECONDS + weights / ENCODE_RATE_GOAL,
      ...lower,
    },
    {
      id: `${id}.decode-seconds`,
      value: ours?.decodeSeconds ?? null,
      goal: START_SECONDS + weights / DECODE_RATE_GOAL,
      ...lower,
    },
  ];
}

function rateGoals({ encode, decode, fastDecode }: Rates): Goal[] {
  return [
    { id: 'exact.encode.weights-per-second', value: encode, goal: ENCODE_RATE_GOAL, better: 'higher' },
    {
      id: 'exact.decode.weights-per-second',
      value: fastDecode,
      goal: FAST_DECODE_RATE_GOAL,
      better: 'higher',
    },
    { id: 'exact.decode.plain-weights-per-second', value: decode, goal: DECODE_RATE_GOAL, better: 'higher' },
  ];
}

/**
 * @returns bytes next to those of the best other program; where ours refuses a pair, those of the compressed
 *   next files, which are shipped then
 */
function ratioOf({ results }: MeasuredPair): number | null {
  const best = bestOther(results);
  const compressed = leastOf(results.filter(({ tool }) => /^(brotli|xz)/.test(tool)));
  const ours = oursOf(results)?.bytes ?? compressed;
  return best === null || ours === null ? null : ours / best;
}

function oursOf(results: readonly ProgramResult[]): ProgramResult | undefined {
  return results.find(({ tool }) => tool === OURS);
}

function bestOther(results: readonly ProgramResult[]): number | null {
  return leastOf(results.filter(({ tool }) => tool !== OURS));
}

function leastOf(results: readonly ProgramResult[]): number | null {
  const least = Math.min(...results.flatMap(({ bytes }) => bytes ?? []));
  return Number.isFinite(least) ? least : null;
}
