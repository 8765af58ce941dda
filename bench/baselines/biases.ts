import type { Baseline } from './baseline.js';
import { trainBaseline } from './train.js';
import { createVectorPart, VECTOR_RATE } from './vectors.js';

/**
 * Biases and norms alone: what every update here has in common, and so the least that anything else must
 * improve on.
 *
 * Source: E. Ben Zaken, S. Ravfogel, Y. Goldberg, "BitFit: Simple Parameter-efficient Fine-tuning for
 * Transformer-based Masked Language-models", 2022.
 */
export const biases: Baseline = {
  name: 'biases',
  title: 'biases and norms alone',
  isUpdate: true,
  async run(context) {
    const dense = createVectorPart(context, VECTOR_RATE);
    const result = await trainBaseline(context, {
      parts: [dense.part],
      learningRate: 2e-2,
      costs: dense.costs,
      settings: () => ({ rate: VECTOR_RATE }),
    });
    return result.bytes <= context.budgetBytes ? result : undefined;
  },
};
