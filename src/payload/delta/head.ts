import { type BitCoder, Contexts, FAST, MagnitudeCoding, NumberCoding } from '../coding.js';
import { corrupt } from '../limits.js';
import { type ElementForm, MAX_LEVEL, shorten } from './elements.js';
import { frequenciesOf, WeightCoding } from './frequencies.js';
import { classes, TOKENS, type TokenTable, tokenTable } from './tokens.js';

/** Most contexts of a segment. */
export const MAX_CONTEXTS = 64;

/** The offset of a row or column none of whose elements changes. */
export const KEPT = -(2 ** 15);

/** Largest distance of an offset from 0. */
const MAX_OFFSET = 2 ** 12;

/** Most columns of a segment with offsets. */
export const MAX_COLUMNS = 2 ** 18;

/** Offsets of a segment's rows and columns; multiples of `step`, or `KEPT`. */
export interface Lines {
  /** The first `split` dimensions count rows, the others columns. */
  readonly split: number;
  readonly step: number;
  readonly rows: Int16Array;
  readonly columns: Int16Array;
  /** Whether the columns are those of the segment before. */
  readonly isRepeated: boolean;
}

/** What comes before the tokens of a segment: how elements choose contexts, and contexts frequencies. */
export interface SegmentHead {
  /** Lowest bits of floats of 32 bits that are left out of this segment, 0 in the next model. */
  readonly dropped: number;
  readonly isNew: boolean;
  /** Whether contexts depend on the base's levels. */
  readonly isBased: boolean;
  /** Largest class of a new element of 16 or 32 bits; 0 where tokens do not depend on it. */
  readonly top: number;
  /** What is subtracted from the sum of level and offsets. */
  readonly origin: number;
  readonly lines?: Lines | undefined;
  /** Frequencies of the tokens in each context, each array adding up to `TOTAL`; contexts may share one. */
  readonly contexts: readonly Uint16Array[];
}

/** What both sides know of a segment before its head. */
export interface SegmentScope {
  readonly form: ElementForm;
  /** Shape of the tensor that the segment lies in; absent for a segment of several tensors. */
  readonly shape?: readonly number[];
  /** Index in the tensor of the segment's first element, and the number of elements. */
  readonly first: number;
  readonly elements: number;
  /** Columns of the segment before of this tensor, if it had any, with their split and step. */
  readonly before?: Lines | undefined;
}

/** Whether elements of a form may be coded without their lowest bits: floats of 32 bits. */
export function mayDrop({ width, sign }: ElementForm): boolean {
  return width === 32 && sign !== 0;
}

function codeDropped(coder: BitCoder, form: ElementForm, value = 0): number {
  const dropped = mayDrop(form) ? coder.raw(5, value) : 0;
  if (dropped >= form.fraction) throw corrupt('a segment drops too many bits');
  return dropped;
}

/** @returns the number of columns of a tensor of which the first `split` dimensions count rows */
export function columnsOf(shape: readonly number[], split: number): number {
  return shape.slice(split).reduce((product, size) => product * size, 1);
}

/** @returns the number of rows that a run of elements has a part of */
export function rowsOf(columns: number, { first, elements }: { first: number; elements: number }): number {
  return Math.floor((first + elements - 1) / columns) - Math.floor(first / columns) + 1;
}

/** Weights for an encoder: for each context its own, or undefined where those of the one before serve. */
export type ContextWeights = readonly (Uint16Array | undefined)[];

/** A head with the weights in place of the frequencies. */
export interface HeadToCode extends Omit<SegmentHead, 'contexts'> {
  readonly precision: number;
  readonly weights: ContextWeights;
}

/**
 * Codes the head of a segment.
 *
 * @param head for an encoder: the head
 * @throws NeuralDiffError `corrupt-payload`
 */
export function codeHead(
  coder: BitCoder,
  scope: SegmentScope,
  head?: HeadToCode,
): SegmentHead & { readonly tokens: TokenTable } {
  const dropped = codeDropped(coder, scope.form, head?.dropped);
  const form = shorten(scope.form, dropped);
  const isNew = coder.raw(1, head?.isNew ? 1 : 0) === 1;
  const isBased = coder.raw(1, head?.isBased ? 1 : 0) === 1;
  const numbers = new NumberCoding(coder, FAST);
  const lines =
    coder.raw(1, head?.lines ? 1 : 0) === 1 ? codeLines(coder, { ...scope, isNew }, head) : undefined;
  const origin = unfold(numbers.code(fold(head?.origin ?? 0)));
  if (Math.abs(origin) > MAX_LEVEL + 2 * MAX_OFFSET) throw corrupt('an origin is out of range');
  const top = codeTop(numbers, { form, isNew }, head?.top ?? 0);
  const tokens = tokenTable({ form, isNew, top });
  return { dropped, isNew, isBased, top, origin, lines, contexts: codeContexts(coder, tokens, head), tokens };
}

function codeTop(
  numbers: NumberCoding,
  { form, isNew }: { form: ElementForm; isNew: boolean },
  value: number,
): number {
  if (!isNew || form.width === 8) return 0;
  if (form.sign === 0) return 62;
  const top = numbers.code(value);
  if (top > classes(form)) throw corrupt('a class of magnitudes is out of range');
  return top;
}

function codeContexts(coder: BitCoder, tokens: TokenTable, head?: HeadToCode): Uint16Array[] {
  const precision = coder.raw(2, head?.precision ?? 0);
  const count = coder.raw(6, (head?.weights.length ?? 1) - 1) + 1;
  const last = coder.raw(8, head ? lastToken(head.weights) : 0);
  const coding = new WeightCoding(coder, tokens, precision);
  const sharing = new Contexts(2, FAST);
  const contexts: Uint16Array[] = [];
  let wasShared = 0;
  for (let i = 0; i < count; i++) {
    const weights = head?.weights[i];
    wasShared = i === 0 ? 0 : coder.bit(sharing, wasShared, weights ? 0 : 1);
    if (wasShared === 1) contexts.push(contexts[i - 1] as Uint16Array);
    else contexts.push(frequenciesOf(coding.code(last + 1, weights)));
  }
  return contexts;
}

function lastToken(weights: ContextWeights): number {
  let last = 0;
  for (const each of weights)
    if (each) for (let token = last; token < TOKENS; token++) if ((each[token] as number) > 0) last = token;
  return last;
}

function codeLines(
  coder: BitCoder,
  scope: SegmentScope & { readonly isNew: boolean },
  head?: HeadToCode,
): Lines {
  const { shape, before } = scope;
  if (shape === undefined) throw corrupt('offsets for several tensors');
  const lines = head?.lines;
  const isRepeated = before !== undefined && coder.raw(1, lines?.isRepeated ? 1 : 0) === 1;
  const [split, step] = isRepeated
    ? [before.split, before.step]
    : [coder.raw(3, lines?.split ?? 0), coder.raw(3, (lines?.step ?? 1) - 1) + 1];
  if (split >= Math.max(1, shape.length)) throw corrupt('a tensor without the rows that are named');
  const columns = columnsOf(shape, split);
  if (columns > MAX_COLUMNS) throw corrupt('too many columns with offsets');
  if (isRepeated && scope.isNew && before.columns.includes(KEPT))
    throw corrupt('new elements in columns that are kept');
  const coding = new LineCoding(coder, { step, mayKeep: !scope.isNew });
  return {
    split,
    step,
    isRepeated,
    columns: isRepeated ? before.columns : coding.code(columns, lines?.columns),
    rows: coding.code(rowsOf(columns, scope), lines?.rows),
  };
}

/** Codes offsets of rows or columns: whether a line is kept, and the distance from the offset before. */
class LineCoding {
  readonly #coder: BitCoder;
  readonly #step: number;
  readonly #mayKeep: boolean;

  constructor(coder: BitCoder, { step, mayKeep }: { step: number; mayKeep: boolean }) {
    this.#coder = coder;
    this.#step = step;
    this.#mayKeep = mayKeep;
  }

  code(count: number, offsets?: Int16Array): Int16Array {
    const kept = new Contexts(2, FAST);
    const distances = new MagnitudeCoding(this.#coder, FAST);
    const coded = new Int16Array(count);
    let [wasKept, offset] = [0, 0];
    for (let i = 0; i < count; i++) {
      const value = offsets?.[i] ?? 0;
      if (this.#mayKeep) wasKept = this.#coder.bit(kept, wasKept, value === KEPT ? 1 : 0);
      if (wasKept === 1) {
        coded[i] = KEPT;
        continue;
      }
      offset += this.#step * unfold(distances.code(1 + fold((value - offset) / this.#step)) - 1);
      if (Math.abs(offset) > MAX_OFFSET) throw corrupt('an offset is out of range');
      coded[i] = offset;
    }
    return coded;
  }
}

/** @returns a whole number from 0 on for any whole number: 0, -1, 1, -2, … */
function fold(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

function unfold(number: number): number {
  return number % 2 === 1 ? -(number + 1) / 2 : number / 2;
}
