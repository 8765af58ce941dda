import { totalElements } from '../../src/model/tensor.js';
import { gather, type Positions, quantiseNonZero } from '../../src/sparse-diff/mask.js';
import { pickValues } from '../../src/train/layout.js';
import { type TrainingShare, type Values, valuesOf } from '../../src/train/part.js';
import { scaleLevels } from '../../src/train/quantise.js';
import type { Baseline, BaselineContext, BaselineResult } from './baseline.js';
import { type Cost, costBytes, valueBits } from './entropy.js';
import { countOf, largestMask, maskBits, mostSalient, scatter } from './mask.js';
import { createRoundedPart } from './rounded-part.js';
import { splitTensors } from './tensors.js';
import { trainBaseline, withinBudget } from './train.js';
import { createVectorPart, expectedVectorBytes, VECTOR_RATE } from './vectors.js';

/** Bits a surviving weight: 4 lose nothing against 5 once rounding is trained. */
const BITS = 4;

/** Share of the steps after which the mask stays as it is. */
const FIXED_FROM = 0.6;

/** Steps between two looks at which weights survive, until then. */
const STEPS_PER_MASK = 8;

/** What is kept back of a budget, since weights still change after the mask is fixed. */
const RESERVE = 0.04;

/**
 * The whole fine-tuned model with its small weights set to zero, the density falling as it trains on.
 *
 * Source: S. Han, J. Pool, J. Tran, W. Dally, "Learning both Weights and Connections for Efficient Neural
 * Networks", 2015; M. Zhu, S. Gupta, "To prune, or not to prune", 2017, for the schedule; J. Lee et al.,
 * "Layer-adaptive sparsity for the magnitude-based pruning", 2021, for magnitudes that compare across layers;
 * Y. Guo, A. Yao, Y. Chen, "Dynamic Network Surgery for Efficient DNNs", 2016, for weights that come back.
 */
export const pruned: Baseline = {
  name: 'pruned',
  title: 'pruned model',
  isUpdate: false,
  run: (context) => withinBudget(context.budgetBytes, (bytes) => prune(context, bytes)),
};

async function prune(context: BaselineContext, bytes: number): Promise<BaselineResult | undefined> {
  const { matrices, vectors } = splitTensors(context.base);
  const start = pickValues(context.full.weights, matrices);
  const left = (1 - RESERVE) * (bytes - expectedVectorBytes(vectors, VECTOR_RATE));
  const choose = (weights: Values): Positions | undefined =>
    largestMask(layerAdaptive(weights), (tried) => costBytes(maskCosts(tried, weights)) <= left);
  const guess = choose(start);
  if (guess === undefined) return undefined;
  const weightCount = totalElements(matrices);
  const schedule = createSchedule(choose, countOf(guess) / weightCount);
  const part = createRoundedPart(start, {
    round(name, latent) {
      const { levels, scale, places } = survivors(latent, schedule.mask().get(name));
      return scatter(scaleLevels(levels, scale), places, latent.length);
    },
    advance: schedule.advance,
  });
  const dense = createVectorPart(context, VECTOR_RATE);
  return trainBaseline(context, {
    parts: [part, dense.part],
    learningRate: 5e-3,
    costs: () => [...maskCosts(schedule.mask(), part.latent()), ...dense.costs()],
    settings: () => ({ density: countOf(schedule.mask()) / weightCount, bits: BITS }),
  });
}

/** Which weights survive, step by step: a share that falls as a cube does, then what the budget affords. */
function createSchedule(choose: (weights: Values) => Positions | undefined, density: number) {
  let mask: Positions = new Map();
  let step = 0;
  let isFixed = false;
  return {
    mask: () => mask,
    advance({ done }: TrainingShare, latent: () => Values): void {
      if (isFixed) return;
      isFixed = done >= FIXED_FROM;
      if (isFixed) mask = choose(latent()) ?? new Map();
      else if (step++ % STEPS_PER_MASK === 0) {
        const share = density + (1 - density) * (1 - done / FIXED_FROM) ** 3;
        mask = mostSalient(layerAdaptive(latent()), share);
      }
    },
  };
}

function survivors(latent: Float32Array, places: Uint32Array = new Uint32Array(0)) {
  return { ...quantiseNonZero(gather(latent, places), BITS), places };
}

function maskCosts(mask: Positions, latent: Values): Cost[] {
  const values = [...mask].map(([name, places]) => {
    return { bits: valueBits(survivors(valuesOf(latent, name), places).levels), scales: 1 };
  });
  return [{ bits: maskBits(mask, latent), scales: 0 }, ...values];
}

/**
 * Squared weights next to the sum of those in their tensor that are no smaller; no layer dies before the
 * others.
 */
function layerAdaptive(weights: Values): Values {
  const score = (values: Float32Array): Float32Array => {
    const squares = values.map((value) => value * value);
    const ascending = squares.slice().sort();
    const sums = new Map<number, number>();
    let sum = 0;
    for (let i = ascending.length - 1; i >= 0; i--) {
      sum += ascending[i] as number;
      sums.set(ascending[i] as number, sum);
    }
    return squares.map((square) => (square === 0 ? 0 : square / (sums.get(square) as number)));
  };
  return new Map([...weights].map(([name, values]) => [name, score(values)]));
}
