import { DTYPES, type TensorInfo } from '../model/tensor.js';
import { changeSizes } from './dense-part.js';
import { createEmbeddingPart } from './embedding-part.js';
import type { FineTuned } from './fine-tune.js';
import { partitionTensors, type TensorPartition } from './layout.js';
import type { DiffPart } from './part.js';
import { valuesOf } from './part.js';
import { principalDirections } from './principal-directions.js';
import { scalesFor } from './quantise.js';
import type { PartContext } from './train-diff.js';

/** What is left of a model and a budget for parts of other tensors. */
export interface Divided {
  /** Of embeddings. */
  readonly parts: readonly DiffPart[];
  /** Without the tensors of these parts among its matrices. */
  readonly layout: TensorPartition;
  readonly budgetBytes: number;
}

/** Most directions of a table. */
const RANK = 8;

/** Bytes of a low-rank record in addition to its levels: kind, length, heads, scales, cost of its coder. */
const RECORD_BYTES = 16;

/** A table gets a part of its own if its coefficients may take so many times the bits of its directions. */
const WORTH = 2;

/** Bits of a level of a direction, at first. */
const LEVEL_BITS = 3.5;

/** Bytes that must be left for all other matrices. */
const LEAST_BYTES = 64;

/** Most of the bytes of all matrices that embeddings may take. */
const MOST_SHARE = 0.9;

/**
 * Gives embeddings parts of their own, with a share of the budget that is their share in what the full
 * fine-tune's changes do to the loss (F·Δ²). All other tensors are left, and embeddings of integers, or too
 * small for a part.
 */
export function divideEmbeddings(context: PartContext): Divided {
  const { base, full, budgetBytes, seed } = context;
  const layout = partitionTensors(base, context);
  const tables = layout.matrices.filter((info) => context.embeddings.has(info.name) && isFloatTable(info));
  if (tables.length === 0) return { parts: [], layout, budgetBytes };
  const effects = new Map(layout.matrices.map(({ name }) => [name, effectOf(full, name)]));
  const total = [...effects.values()].reduce((sum, each) => sum + each, 0);
  const left = budgetBytes - layout.fileBytes([]);
  const sizes = changeSizes(full, tables, base.quantization);
  const parts: DiffPart[] = [];
  let [rest, used] = [layout.matrices, 0];
  for (const info of tables) {
    const share = Math.min(valuesOf(effects, info.name) / total, MOST_SHARE) || 0;
    const bytes = Math.floor(share * left);
    const bits = 8 * (bytes - RECORD_BYTES);
    const columns = info.shape[1] as number;
    const rank = rankFor(bits, info);
    if (rank === 0 || left - used - bytes < LEAST_BYTES) continue;
    const directions = principalDirections(valuesOf(full.deltas, info.name), { columns, rank, seed });
    const importance = importanceOf(valuesOf(full.fisher, info.name), directions, rank);
    const size = valuesOf(sizes, info.name);
    const scaleOf = scalesFor(base.tensors);
    parts.push(createEmbeddingPart({ info, directions, importance, size, bits, seed, scaleOf }));
    rest = rest.filter((each) => each !== info);
    used += bytes;
  }
  return { parts, layout: { ...layout, matrices: rest }, budgetBytes: budgetBytes - used };
}

function isFloatTable({ dtype, shape }: TensorInfo): boolean {
  return shape.length === 2 && DTYPES[dtype].kind === 'float';
}

/** @returns the rank that the bits afford: half of it, or a quarter, for few bits; 0 for none */
function rankFor(bits: number, { shape: [rows, columns] }: TensorInfo): number {
  let rank = Math.min(RANK, rows as number, columns as number);
  while (rank >= 2 && bits < (1 + WORTH) * rank * LEVEL_BITS * (columns as number)) rank = rank >> 1;
  return rank >= 2 ? rank : 0;
}

/** @returns the sum of F·Δ² over a tensor: the effect of its changes on the loss, up to a factor */
function effectOf({ deltas, fisher }: FineTuned, name: string): number {
  const [changes, weights] = [valuesOf(deltas, name), valuesOf(fisher, name)];
  let sum = 0;
  for (let i = 0; i < changes.length; i++) sum += (weights[i] as number) * (changes[i] as number) ** 2;
  return sum;
}

/**
 * @returns by row and direction, the root of the root of the Fisher information of a change of the row along
 *   the direction: with the root, which makes coefficients of all rows comparable, rare words get nothing
 */
function importanceOf(fisher: Float32Array, directions: Float32Array, rank: number): Float32Array {
  const columns = directions.length / rank;
  const importance = new Float32Array((fisher.length / columns) * rank);
  for (let i = 0; i < importance.length; i++) {
    const [row, direction] = [columns * Math.floor(i / rank), columns * (i % rank)];
    let sum = 0;
    for (let j = 0; j < columns; j++)
      sum += (fisher[row + j] as number) * (directions[direction + j] as number) ** 2;
    importance[i] = sum ** (1 / 4);
  }
  return importance;
}
