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
  /** The tensor itself, or parts of it. */
  readonly samples: readonly Sample[];
}

/** How positions are coded, and the bits that samples take so. */
export interface ChosenHead {
  readonly head: SparseHead;
  readonly bits: number;
}

/** Tries all views on samples: the one that takes the fewest bits is taken, the first of several. */
export function chooseHead(info: TensorInfo, { kind, scale, count, samples }: ChangeFacts): ChosenHead {
  const rice = riceOf(count, elementCount(info));
  const heads = [0, ...viewsOf(info)].map((view) => ({ scale, view, rice: view === 0 ? rice : 0 }));
  const costs = heads.map((head) => costOf(samples, kind, head));
  const bits = Math.min(...costs);
  return { head: heads[costs.indexOf(bits)] as SparseHead, bits };
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

function costOf(samples: readonly Sample[], kind: ChangeKind, head: SparseHead): number {
  // What a trial writes is not kept.
  const encoder = new RangeEncoder(() => {});
  const coding = new SparseCoding(encoder, kind);
  for (const { info, values } of samples) {
    coding.levels.range = levelRange(kind, info);
    putInto(coding, info, head)(values, elementCount(info));
  }
  return encoder.cost + (head.view === 0 ? RICE_BITS : 0);
}

/** The parameter at which about half of the quotients are 0: `2^rice` up to 0.69 mean gaps. */
function riceOf(count: number, elements: number): number {
  let rice = 0;
  while (rice < 31 && 2 ** (rice + 1) * count * 100 <= 69 * elements) rice++;
  return rice;
}
