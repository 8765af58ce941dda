import {
  byteLength,
  canonicalOrder,
  DTYPES,
  elementCount,
  type TensorInfo,
  wordsOf,
} from '../../src/model/tensor.js';
import type { Diff, Op } from '../../src/payload/diff.js';
import { sidesOf } from '../../src/payload/low-rank-record.js';
import { wrapDifference } from '../../src/payload/ordered-bits.js';
import { createRandom } from '../support.js';

/** Draws whole numbers. */
type Draw = (below: number) => number;

const KINDS = ['sparse', 'sparse', 'dense', 'hash', 'exact', 'set', 'low-rank'] as const;

/**
 * Makes a diff from a seed. Few scales are in use, and ops meet on the same tensors, so that there is
 * something to merge.
 *
 * @param tensors of any dtype
 * @param seed the same gives the same diff
 * @param kinds to choose from
 */
export function randomDiff(
  tensors: readonly TensorInfo[],
  seed: number,
  kinds: readonly Op['kind'][] = KINDS,
): Diff {
  const random = createRandom(seed);
  const draw: Draw = (below) => random() % below;
  const filled = canonicalOrder(tensors)
    .map(wordsOf)
    .filter((info) => elementCount(info) > 0);
  const ops = Array.from({ length: 1 + draw(4) }, () => {
    const kind = kinds[draw(kinds.length)];
    if (kind === 'hash') return hashOp(filled, draw);
    const info = filled[draw(filled.length)] as TensorInfo;
    if (kind === 'dense') return denseOp(info, draw);
    if (kind === 'set') return setOp(info, draw);
    if (kind === 'low-rank' && DTYPES[info.dtype].kind === 'float') return lowRankOp(info, draw);
    return kind === 'sparse' ? sparseOp(info, draw) : exactOp(info, draw);
  });
  return { ops };
}

function scaleFor({ dtype }: TensorInfo, draw: Draw): number {
  const isInteger = DTYPES[dtype].kind === 'integer';
  return (isInteger ? [1, 3, 2 ** 20] : [0.125, 2 ** -120, 1.5, 2 ** 90])[
    Math.min(draw(6), isInteger ? 2 : 3)
  ] as number;
}

function somePositions(info: TensorInfo, draw: Draw): Uint32Array {
  const chance = 1 + draw(3);
  const all = Array.from({ length: elementCount(info) }, (_, i) => i).filter(() => draw(chance) === 0);
  return Uint32Array.from(all.length > 0 ? all : [elementCount(info) - 1]);
}

function level(draw: Draw, most: number): number {
  return (1 + draw(draw(4) === 0 ? most : Math.min(3, most))) * (draw(2) === 0 ? 1 : -1);
}

function sparseOp(info: TensorInfo, draw: Draw): Op {
  const positions = somePositions(info, draw);
  const levels = Int16Array.from(positions, () => level(draw, 2 ** 15 - 1));
  return { kind: 'sparse', tensor: info.name, scale: scaleFor(info, draw), positions, levels };
}

/** Differences of all sizes, of small ones the most. */
function exactOp(info: TensorInfo, draw: Draw): Op {
  const positions = somePositions(info, draw);
  const one = (): number =>
    wrapDifference(info, (1 + draw(2 ** (1 + draw(32)))) * (draw(2) === 0 ? 1 : -1)) || 1;
  return { kind: 'exact', tensor: info.name, positions, levels: Int32Array.from(positions, one) };
}

function setOp(info: TensorInfo, draw: Draw): Op {
  const bytes = Uint8Array.from({ length: byteLength(info) }, () => draw(256));
  return { kind: 'set', tensor: info.name, bytes };
}

function lowRankOp(info: TensorInfo, draw: Draw): Op {
  const split = Math.min(1, Math.max(0, info.shape.length - 1));
  const { rows, columns, most } = sidesOf(info, split);
  const rank = 1 + draw(most);
  const levels = (count: number) =>
    Int16Array.from({ length: count }, () => (draw(3) === 0 ? 0 : level(draw, 32_767)));
  return {
    kind: 'low-rank',
    tensor: info.name,
    split,
    scales: Float32Array.from({ length: rank }, () => scaleFor(info, draw)),
    columns: levels(rank * columns),
    rows: levels(rows * rank),
  };
}

function denseOp(info: TensorInfo, draw: Draw): Op {
  const levels = Int8Array.from({ length: elementCount(info) }, () => (draw(3) === 0 ? 0 : level(draw, 127)));
  return { kind: 'dense', tensor: info.name, scale: scaleFor(info, draw), levels };
}

function hashOp(filled: readonly TensorInfo[], draw: Draw): Op {
  const some = filled.filter(() => draw(2) === 0);
  const chosen = some.length > 0 ? some : filled.slice(0, 1);
  const isFloat = chosen.every(({ dtype }) => DTYPES[dtype].kind === 'float') && draw(2) === 0;
  const weights = chosen.reduce((sum, info) => sum + elementCount(info), 0);
  const values = Array.from({ length: 1 + draw(Math.min(9, weights)) }, () => draw(5) - 2);
  return {
    kind: 'hash',
    tensors: chosen.map((info) => ({ tensor: info.name, scale: scaleFor(info, draw) })),
    seed: draw(2 ** 32),
    block: 1 + draw(4),
    buckets: isFloat
      ? { coding: 'float', values: Float32Array.from(values, (value) => value * 0.3) }
      : { coding: 'levels', values: Int8Array.from(values) },
  };
}
