import { elementCount, type TensorInfo } from '../model/index.js';
import type { ChangedElements } from './changes.js';
import { RangeEncoder } from './range-encoder.js';
import { type ChangeKind, levelRange } from './sparse-levels.js';
import { RICE_BITS, SparseCoding, type SparseHead } from './sparse-record.js';
import { putInto } from './sparse-writer.js';
import { codeOf, rowLength, viewOf } from './views.js';

/** Some of a tensor's elements, as a tensor of their own with the same number of dimensions. */
export interface Sample {
  readonly info: TensorInfo;
  readonly values: ChangedElements;
}

/** What is known of a tensor's changes before they are coded. */
export interface ChangeFacts {
  readonly kind: ChangeKind;
  /** Of a sparse op; 1 for others. */
  readonly scale: number;
  /** Elements that change, of all. */
  readonly count: number;
}

/** How positions are coded, and the bits that what was tried takes so. */
export interface ChosenHead {
  readonly head: SparseHead;
  readonly bits: number;
}

/** A way to code positions, and what a record that takes it comes to. */
interface Trial {
  readonly head: SparseHead;
  readonly encoder: RangeEncoder;
  readonly coding: SparseCoding;
}

/** Codes samples of a tensor's changes in all ways; nothing is held of them. */
export class HeadTrials {
  readonly #kind: ChangeKind;
  readonly #trials: readonly Trial[];

  constructor(info: TensorInfo, { kind, scale, count }: ChangeFacts) {
    this.#kind = kind;
    const rice = riceOf(count, elementCount(info));
    this.#trials = [0, ...viewsOf(info)].map((view) => {
      // What a trial writes is not kept.
      const encoder = new RangeEncoder(() => {});
      const head = { scale, view, rice: view === 0 ? rice : 0 };
      return { head, encoder, coding: new SparseCoding(encoder, kind) };
    });
  }

  /** @param sample the tensor itself, or the next part of it */
  add({ info, values }: Sample): void {
    for (const { head, coding } of this.#trials) {
      coding.levels.range = levelRange(this.#kind, info);
      putInto(coding, info, head)(values, elementCount(info));
    }
  }

  /** @returns the way that takes the fewest bits, the first of several */
  best(): ChosenHead {
    const costs = this.#trials.map(({ head, encoder }) => encoder.cost + (head.view === 0 ? RICE_BITS : 0));
    const bits = Math.min(...costs);
    return { head: (this.#trials[costs.indexOf(bits)] as Trial).head, bits };
  }
}

/** @returns the way to code a tensor's changes that takes the fewest bits */
export function chooseHead(info: TensorInfo, facts: ChangeFacts, values: ChangedElements): ChosenHead {
  const trials = new HeadTrials(info, facts);
  trials.add({ info, values });
  return trials.best();
}

function viewsOf(info: TensorInfo): number[] {
  const splits = Array.from({ length: Math.max(1, info.shape.length) }, (_, split) => split);
  const views = splits.flatMap((split) => [
    codeOf({ split, transposed: false }),
    codeOf({ split, transposed: true }),
  ]);
  const elements = elementCount(info);
  return views.filter((view) => {
    const row = rowLength(info, viewOf(view));
    // A single line, or lines of a single element, are the same either way round.
    const isSingle = row === elements || row === 1;
    return row > 0 && !(isSingle && viewOf(view).transposed);
  });
}

/** The parameter at which about half of the quotients are 0: `2^rice` up to 0.69 mean gaps. */
function riceOf(count: number, elements: number): number {
  let rice = 0;
  while (rice < 31 && 2 ** (rice + 1) * count * 100 <= 69 * elements) rice++;
  return rice;
}
