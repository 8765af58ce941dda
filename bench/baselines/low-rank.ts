import type { Baseline, BaselineContext, BaselineResult } from './baseline.js';
import { valueBits } from './entropy.js';
import { createFactorPart } from './factor-part.js';
import {
  chooseRanks,
  type Decomposition,
  decompose,
  type Factors,
  relativeImportance,
  truncate,
} from './factors.js';
import { meanOf, splitTensors } from './tensors.js';
import { trainBaseline, withinBudget } from './train.js';
import { quantiseToBits } from './uniform.js';
import { createVectorPart, expectedGridBits, expectedVectorBytes, VECTOR_RATE } from './vectors.js';

/** How thin matrices are used. */
interface Use {
  readonly isUpdate: boolean;
  readonly learningRate: number;
}

/**
 * Bits a number of a factor: with rounding in the loop, twice the ranks at 4 bits beat half of them at 8 by
 * far.
 */
const BITS = 4;

/** A tensor's two factors have a float32 scale each. */
const TENSOR_BITS = 64;

/** Times that ranks are chosen again by what the numbers of the last choice cost. */
const ESTIMATES = 2;

/** What is kept back of a budget for what training changes in the cost of a number. */
const RESERVE = 0.03;

/**
 * An update of low rank, trained under the frozen base. Training starts from the best approximation of what
 * the full fine-tune changed rather than from zero, and the budget goes to the components that matter most.
 *
 * Source: E. Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021; Q. Zhang et al.,
 * "AdaLoRA: Adaptive Budget Allocation for Parameter-Efficient Fine-Tuning", 2023, for ranks that differ.
 */
export const lowRank: Baseline = {
  name: 'low-rank',
  title: 'low-rank update',
  isUpdate: true,
  run: (context) => runFactors(context, { isUpdate: true, learningRate: 5e-3 }),
};

/**
 * The whole fine-tuned model, each matrix a product of two thin ones, trained on.
 *
 * Source: J. Xue, J. Li, Y. Gong, "Restructuring of Deep Neural Network Acoustic Models with Singular Value
 * Decomposition", 2013; E. Denton et al., "Exploiting Linear Structure Within Convolutional Networks for
 * Efficient Evaluation", 2014.
 */
export const factorised: Baseline = {
  name: 'factorised',
  title: 'factorised model',
  isUpdate: false,
  run: (context) => runFactors(context, { isUpdate: false, learningRate: 5e-3 }),
};

function runFactors(context: BaselineContext, use: Use): Promise<BaselineResult | undefined> {
  const { deltas, weights } = context.full;
  const parts = decompose(splitTensors(context.base).matrices, use.isUpdate ? deltas : weights);
  return withinBudget(context.budgetBytes, async (bytes) => {
    const factors = affordableFactors(context, parts, { ...use, bytes });
    return factors && trainFactors(context, factors, use);
  });
}

/**
 * Begins with the most that a number can cost and goes on with what the numbers cost before they are trained.
 */
function affordableFactors(
  context: BaselineContext,
  parts: readonly Decomposition[],
  { isUpdate, bytes }: Use & { bytes: number },
): Factors[] | undefined {
  const left = bytes - expectedVectorBytes(splitTensors(context.base).vectors, VECTOR_RATE);
  const choose = (numberBits: number): Factors[] | undefined => {
    const ranks = chooseRanks(parts, {
      budgetBits: 8 * left,
      bits: numberBits,
      tensorBits: TENSOR_BITS,
      importanceOf: isUpdate ? ({ name }) => meanOf(context.full.fisher, name) : relativeImportance,
      leastRank: isUpdate ? 0 : 1,
    });
    return ranks && parts.flatMap((part) => truncate(part, ranks.get(part.name) ?? 0));
  };
  let factors = choose(expectedGridBits(BITS));
  for (let i = 0; factors && i < ESTIMATES; i++) factors = choose(numberBits(factors)) ?? factors;
  return factors;
}

/**
 * @returns mean bits of the factors' numbers as they are, and a little more: training makes them less alike
 */
function numberBits(factors: readonly Factors[]): number {
  const halves = factors.flatMap(({ left, right }) => [left, right]);
  const total = halves.reduce((sum, half) => sum + valueBits(quantiseToBits(half, BITS).levels), 0);
  const count = halves.reduce((sum, half) => sum + half.length, 0);
  return ((1 + RESERVE) * total) / count;
}

function trainFactors(
  context: BaselineContext,
  factors: readonly Factors[],
  use: Use,
): Promise<BaselineResult> {
  const part = createFactorPart(factors, { isUpdate: use.isUpdate, bits: BITS });
  const dense = createVectorPart(context, VECTOR_RATE);
  const ranks = factors.map(({ name, rank }) => `${name} ${rank}`).join(', ');
  return trainBaseline(context, {
    parts: [part, dense.part],
    learningRate: use.learningRate,
    costs: () => [...part.costs(), ...dense.costs()],
    settings: () => ({ ranks, bits: BITS }),
  });
}
