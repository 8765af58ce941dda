import { gather, type Positions } from '../../src/sparse-diff/mask.js';
import type { Saliency } from '../../src/sparse-diff/saliency.js';
import { type Values, valuesOf } from '../../src/train/part.js';
import type { Baseline, BaselineContext } from './baseline.js';
import { costBytes } from './entropy.js';
import { fitGrid, roundToGrid } from './grid.js';
import { countOf, largestMask, maskBits, scatter } from './mask.js';
import { deltaSaliency } from './saliency.js';
import { addDeltas } from './tensors.js';
import { roundVectors, VECTOR_BITS } from './vectors.js';

/** Bits a changed weight. */
const BITS = 4;

/**
 * The largest changes of a finished full fine-tune, rounded; nothing is trained.
 *
 * Source: A. Aji, K. Heafield, "Sparse Communication for Distributed Gradient Descent", 2017, of gradients.
 *
 * @param saliency what large means: the change itself, or what it does to the loss
 */
export function topK(saliency: Saliency): Baseline {
  const isMagnitude = saliency === 'magnitude';
  return {
    name: isMagnitude ? 'top-k' : 'top-k-fisher',
    title: isMagnitude
      ? 'largest changes of the full fine-tune'
      : 'most salient changes of the full fine-tune',
    isUpdate: true,
    async run(context) {
      const vectors = roundVectors(context, VECTOR_BITS);
      const bytesOf = (positions: Positions): number =>
        costBytes([...vectors.costs, ...roundChanges(context, positions).costs]);
      const fits = (tried: Positions) => bytesOf(tried) <= context.budgetBytes;
      const positions = largestMask(deltaSaliency(context, saliency), fits);
      if (positions === undefined) return undefined;
      const { deltas } = roundChanges(context, positions);
      return {
        bytes: bytesOf(positions),
        weights: addDeltas(context.base.trainable, new Map([...deltas, ...vectors.deltas])),
        settings: { positions: countOf(positions), bits: BITS },
      };
    },
  };
}

function roundChanges({ full }: BaselineContext, positions: Positions) {
  const rounded = Array.from(positions, ([name, places]) => {
    const all = valuesOf(full.deltas, name);
    const changes = gather(all, places);
    const { values, cost } = roundToGrid(changes, fitGrid(changes, { bits: BITS, channels: 1 }));
    return { name, delta: scatter(values, places, all.length), cost };
  });
  const deltas: Values = new Map(rounded.map(({ name, delta }) => [name, delta]));
  const costs = [{ bits: maskBits(positions, full.deltas), scales: 0 }, ...rounded.map(({ cost }) => cost)];
  return { deltas, costs };
}
