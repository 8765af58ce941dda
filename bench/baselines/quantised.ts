import { pickValues } from '../../src/train/layout.js';
import { type Values, valuesOf } from '../../src/train/part.js';
import type { Baseline, BaselineContext, BaselineResult } from './baseline.js';
import { costBytes } from './entropy.js';
import { channelsOf, fitGrid, type Grid, roundToGrid } from './grid.js';
import { createRoundedPart } from './rounded-part.js';
import { addDeltas, splitTensors } from './tensors.js';
import { trainBaseline } from './train.js';
import { createVectorPart, roundVectors } from './vectors.js';

/** Bits of the changes of biases and norms: next to the rest they cost nothing. */
const VECTOR_BITS = 8;

/** Sizes that training may still save; above, a budget is out of reach. */
const HOPE = 1.25;

/**
 * The whole fine-tuned model on a grid a channel, entropy coded. From 8 bits on nothing is lost by rounding
 * alone; with fewer, rounding is trained.
 *
 * Source: R. Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference", 2018; B. Jacob
 * et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
 * 2018; F.
 * Li, B. Liu, "Ternary Weight Networks", 2016, for 2 bits, of which three levels are used.
 *
 * @param bits bits a weight before entropy coding
 */
export function quantised(bits: 2 | 4 | 8): Baseline {
  return {
    name: `quantised-${bits}`,
    title: `${bits}-bit model`,
    isUpdate: false,
    async run(context) {
      const grids = fitGrids(context, bits);
      const rounded = roundOnce(context, grids, bits);
      if (rounded.bytes > HOPE * context.budgetBytes) return undefined;
      const result = bits < 8 ? await trainOnGrids(context, grids, bits) : rounded;
      return result.bytes <= context.budgetBytes ? result : undefined;
    },
  };
}

type Grids = ReadonlyMap<string, Grid>;

function fitGrids({ base, full }: BaselineContext, bits: number): Grids {
  return new Map(
    splitTensors(base).matrices.map((info) => {
      return [info.name, fitGrid(valuesOf(full.weights, info.name), { bits, channels: channelsOf(info) })];
    }),
  );
}

function roundOnce(context: BaselineContext, grids: Grids, bits: number): BaselineResult {
  const vectors = roundVectors(context, VECTOR_BITS);
  const rounded = roundAll(context.full.weights, grids);
  const weights = new Map([
    ...addDeltas(context.base.trainable, vectors.deltas),
    ...rounded.map(([name, { values }]) => [name, values] as const),
  ]);
  const bytes = costBytes([...vectors.costs, ...rounded.map(([, { cost }]) => cost)]);
  return { bytes, weights, settings: { bits } };
}

function roundAll(weights: Values, grids: Grids) {
  return Array.from(grids, ([name, grid]) => [name, roundToGrid(valuesOf(weights, name), grid)] as const);
}

function trainOnGrids(context: BaselineContext, grids: Grids, bits: number): Promise<BaselineResult> {
  const { matrices } = splitTensors(context.base);
  const part = createRoundedPart(pickValues(context.full.weights, matrices), {
    round: (name, latent) => roundToGrid(latent, valuesOf(grids, name)).values,
  });
  const dense = createVectorPart(context, VECTOR_BITS - 1);
  return trainBaseline(context, {
    parts: [part, dense.part],
    learningRate: 1e-3,
    costs: () => [...roundAll(part.latent(), grids).map(([, { cost }]) => cost), ...dense.costs()],
    settings: () => ({ bits }),
  });
}
