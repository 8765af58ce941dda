import type { Meta } from '../payload/diff.js';
import { partitionTensors } from './layout.js';
import type { BaseWeights } from './session.js';

/** Bits per weight of biases and norms, by default. */
const DENSE_RATES = { least: 0.1, most: 1.2 };

/** @returns the default rate of biases and norms, lowered so that they take at most half of a budget */
export function denseRateFor(budget: number, base: BaseWeights, meta: Meta): number {
  const { least, most } = DENSE_RATES;
  const bytesAt = (denseRate: number): number => partitionTensors(base, { denseRate, meta }).fileBytes([]);
  const [fewest, usual] = [bytesAt(least), bytesAt(most)];
  if (usual <= budget / 2 || usual === fewest) return most;
  const rate = least + ((most - least) * (budget / 2 - fewest)) / (usual - fewest);
  return Math.max(least, rate);
}

/** Bytes of records of matrices with a change, at most: kinds, lengths, placement, scales, one change. */
const MATRIX_BYTES = { all: 32, each: 2 };

/** @returns a budget that every kind of diff can meet, little above the least one */
export function sufficientBudget(
  { denseRate, meta = {} }: { readonly denseRate?: number; readonly meta?: Meta },
  base: BaseWeights,
): number {
  let budget = 0;
  for (let needed = 1; needed > budget; ) {
    budget = needed;
    const rate = denseRate ?? denseRateFor(budget, base, meta);
    const { matrices, fileBytes } = partitionTensors(base, { denseRate: rate, meta });
    const records = matrices.length > 0 ? MATRIX_BYTES.all + MATRIX_BYTES.each * matrices.length : 0;
    needed = fileBytes([]) + records;
  }
  return budget;
}
