import type { GridName } from '../model/grids.js';
import type { Estimate } from './interval.js';
import { describeGap, describeInterval, formatBytes, formatLimited, formatNumber } from './words.js';

/** The coarsest grids on which devices could store a model, chosen by measuring each tensor. */
export interface Precision {
  /**
   * The contract: by how much accuracy and the mean probability of the right class may each be below those of
   * the model as it is, by measured values: 0 to 1.
   */
  readonly maxGap: number;
  /** The examples that chose: those of validation, or of the test where there are no others. */
  readonly chosenBy: { readonly source: 'test' | 'validation'; readonly examples: number };
  /** How often the model was run on them. */
  readonly runs: number;
  /** In the order of the model; those that are not float32 have no options. */
  readonly tensors: readonly TensorPrecision[];
  /** As it is, float16, bfloat16 and int8 for everything, the advice, and one with int4. */
  readonly totals: readonly PrecisionTotal[];
}

/** A tensor and its grid. */
export interface TensorPrecision {
  readonly tensor: string;
  /** As stored. */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
  /** Absent for one that stays as it is. */
  readonly grid?: GridName;
  /** On the grid, with its scales. */
  readonly gridBytes: number;
  /** Its grid if devices store int4, too. */
  readonly int4Grid?: GridName;
  /** Everything that was measured of this tensor alone. */
  readonly options: readonly {
    readonly grid: GridName;
    readonly bytes: number;
    /** In nats; absent if the outputs were unusable. */
    readonly lossChange?: number;
  }[];
}

/** Ways to store all tensors. */
export const PRECISION_WAYS = ['as-is', 'float16', 'bfloat16', 'int8', 'mixed', 'mixed-int4'] as const;

/** A model whose tensors are all on their grids. */
export interface PrecisionTotal {
  readonly way: (typeof PRECISION_WAYS)[number];
  readonly bytes: number;
  /** On the examples that chose; absent if the outputs were unusable. */
  readonly measured?: Standing;
  /** Whether it is within the contract. */
  readonly isMet: boolean;
  /** Whether this package stores such tensors; int4 is advice for other tools. */
  readonly isStorable: boolean;
  /** On the test data, if others chose. */
  readonly test?: Standing;
}

/** What a model reaches. */
export interface Standing {
  /** Mean cross-entropy, in nats. */
  readonly loss: number;
  readonly accuracy: Estimate;
  /** Accuracy of the model as it is less this one's, on the same examples. */
  readonly gap: Estimate;
  /** Mean probability of the right class, of the model as it is less this one's: it moves before accuracy. */
  readonly probabilityGap: number;
}

/** @returns whether a model keeps a contract: see `Precision.maxGap` */
export function keepsContract({ gap, probabilityGap }: Standing, maxGap: number): boolean {
  return gap.value <= maxGap && probabilityGap <= maxGap;
}

/** Ways in words. */
export const WAY_WORDS: Readonly<Record<PrecisionTotal['way'], string>> = {
  'as-is': 'as it is',
  float16: 'float16 for everything',
  bfloat16: 'bfloat16 for everything',
  int8: 'int8 for all matrices',
  mixed: 'mixed, by measurement',
  'mixed-int4': 'mixed, were int4 stored',
};

/** @returns a grid in words */
export function gridWords(grid: GridName | undefined): string {
  if (grid === undefined) return 'as it is';
  const [dtype, scales] = grid.split('-') as [string, string?];
  if (scales === undefined) return dtype;
  return scales === 'tensor' ? `${dtype}, one scale` : `${dtype}, a scale a channel`;
}

/** @returns change of the loss with a tensor alone on a grid; undefined if it stays as it is */
export function lossChangeOn({ options }: TensorPrecision, grid: GridName | undefined): number | undefined {
  return options.find((option) => option.grid === grid)?.lossChange;
}

/** @returns a change of a loss: `+0.0013`, `−0.0002` */
export function formatLossChange(change: number): string {
  const text = formatNumber(change, 4);
  return change > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

/** @returns the total of a way; undefined if it was not measured */
export function totalOf({ totals }: Precision, way: PrecisionTotal['way']): PrecisionTotal | undefined {
  return totals.find((total) => total.way === way);
}

/** @returns how far behind a way is; undefined for the model as it is, which the others are compared with */
export function gapOf(way: PrecisionTotal['way'], standing: Standing | undefined): Estimate | undefined {
  return way === 'as-is' ? undefined : standing?.gap;
}

/** @returns how far behind the right class's probability is, in points; empty for the model as it is */
export function probabilityText(way: PrecisionTotal['way'], standing: Standing | undefined): string {
  return way === 'as-is' || !standing ? '' : formatNumber(100 * standing.probabilityGap, 2);
}

/** @returns whether int4 would make a difference */
export function needsInt4(precision: Precision): boolean {
  return totalOf(precision, 'mixed-int4')?.isStorable === false;
}

/** @returns what the measurements advise, in sentences */
export function precisionWords(precision: Precision): string[] {
  const { maxGap, chosenBy, runs } = precision;
  const [whole, mixed] = [totalOf(precision, 'as-is'), totalOf(precision, 'mixed')];
  if (whole === undefined || mixed?.measured === undefined) return [];
  const on = `${formatNumber(chosenBy.examples)} ${chosenBy.source} examples`;
  const one = formatLimited(1 / chosenBy.examples, 'points');
  return [
    `Mixed grids take ${formatBytes(mixed.bytes)} of ${formatBytes(whole.bytes)}: ${standing(mixed.measured)} on the ${on} that chose them. The contract is at most ${formatLimited(maxGap, 'points')} behind, in accuracy and in the mean probability of the right class.`,
    ...(mixed.test ? [`On test examples, which chose nothing: ${standing(mixed.test)}.`] : []),
    ...(maxGap > 0 && maxGap < 1 / chosenBy.examples
      ? [`One of these examples is ${one}: a smaller loss cannot be told from none.`]
      : []),
    `Each tensor was rounded alone to each grid. Then steps to coarser grids were made, those with the most saved bytes for the added loss first, as many as keep the contract together. That took ${formatNumber(runs)} runs over the examples.`,
    ...(needsInt4(precision) ? [INT4_WORDS] : []),
  ];
}

const INT4_WORDS =
  'Integers of 4 bits are advice for other tools: this package stores none, and of files that have them it patches blocks of bytes.';

/** @returns how a model compares with the one that is as it is */
function standing({ gap, probabilityGap }: Standing): string {
  const words = describeGap(gap.value, 'the model as it is');
  const behind = formatLimited(Math.abs(probabilityGap), 'points');
  const side = probabilityGap > 0 ? 'lower' : 'higher';
  return `${words} (95 % interval: ${describeInterval(gap)}), its probability of the right class ${behind} ${side}`;
}
