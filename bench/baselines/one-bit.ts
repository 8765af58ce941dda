import { gather, type Positions } from '../../src/sparse-diff/mask.js';
import { type Values, valuesOf } from '../../src/train/part.js';
import type { Baseline, BaselineContext, BaselineResult } from './baseline.js';
import { type Cost, costBytes, valueBits } from './entropy.js';
import { countOf, largestMask, maskBits, scatter } from './mask.js';
import { deltaSaliency } from './saliency.js';
import { createSignPart } from './sign-part.js';
import { splitTensors } from './tensors.js';
import { trainBaseline } from './train.js';
import { createVectorPart, expectedVectorBytes, VECTOR_RATE } from './vectors.js';

/**
 * One bit a weight: the sign of what the full fine-tune changed, times one trained number a tensor.
 *
 * Source: J. Liu et al., "BitDelta: Your Fine-Tune May Only Be Worth One Bit", 2024.
 */
export const oneBit: Baseline = {
  name: 'one-bit',
  title: 'one-bit update',
  isUpdate: true,
  async run(context) {
    const positions = new Map(
      splitTensors(context.base).matrices.map(({ name }) => {
        return [name, Uint32Array.from(valuesOf(context.full.deltas, name).keys())];
      }),
    );
    const isHopeless = costBytes(signCosts(context.full.deltas, positions)) > context.budgetBytes;
    return isHopeless ? undefined : trainSigns(context, positions);
  },
};

/**
 * The same for the most salient changes alone, as many as the budget pays for.
 *
 * Source: P. Yadav et al., "ComPEFT: Compression for Communicating Parameter Efficient Updates via
 * Sparsification and Quantization", 2023.
 */
export const oneBitMasked: Baseline = {
  name: 'one-bit-masked',
  title: 'one-bit update of some weights',
  isUpdate: true,
  async run(context) {
    const saliency = deltaSaliency(context, 'fisher');
    const positions = largestMask(saliency, (tried) => fits(context, tried));
    return positions && trainSigns(context, positions);
  },
};

function fits(context: BaselineContext, positions: Positions): boolean {
  const vectorBytes = expectedVectorBytes(splitTensors(context.base).vectors, VECTOR_RATE);
  return costBytes(signCosts(context.full.deltas, positions)) + vectorBytes <= context.budgetBytes;
}

function signCosts(deltas: Values, positions: Positions): Cost[] {
  const signs = [...positions].map(([name, places]) => {
    return { bits: valueBits(signsAt(valuesOf(deltas, name), places)), scales: 1 };
  });
  return [{ bits: maskBits(positions, deltas), scales: 0 }, ...signs];
}

function signsAt(deltas: Float32Array, places: Uint32Array): Float32Array {
  return gather(deltas, places).map((delta) => (delta < 0 ? -1 : 1));
}

async function trainSigns(
  context: BaselineContext,
  positions: Positions,
): Promise<BaselineResult | undefined> {
  const { deltas } = context.full;
  const signs = new Map<string, Float32Array>();
  const scales = new Map<string, number>();
  for (const [name, places] of positions) {
    const all = valuesOf(deltas, name);
    signs.set(name, scatter(signsAt(all, places), places, all.length));
    scales.set(name, meanMagnitude(gather(all, places)));
  }
  const dense = createVectorPart(context, VECTOR_RATE);
  const result = await trainBaseline(context, {
    parts: [createSignPart(signs, scales), dense.part],
    learningRate: 1e-2,
    costs: () => [...signCosts(deltas, positions), ...dense.costs()],
    settings: () => ({ positions: countOf(positions) }),
  });
  return result.bytes <= context.budgetBytes ? result : undefined;
}

function meanMagnitude(values: Float32Array): number {
  return values.reduce((sum, value) => sum + Math.abs(value), 0) / values.length;
}
