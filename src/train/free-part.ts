import { type DiffPart, type Values, valuesOf } from './part.js';

/** Share of the old mean that survives a step: the default of Adam's second moment. */
const DECAY = 0.999;

/** The part of a full fine-tune: every weight is free. */
export interface FreePart extends DiffPart {
  /**
   * Running mean of the squared gradients by tensor: the diagonal of the empirical Fisher information.
   *
   * Source: D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", 2015, section 5.
   */
  readonly fisher: Values;
}

/** Frees every weight of some tensors. */
export function createFreePart(base: Values): FreePart {
  const deltas = new Map([...base].map(([name, values]) => [name, new Float32Array(values.length)]));
  const fisher = new Map([...base].map(([name, values]) => [name, new Float32Array(values.length)]));
  const tensors = [...base.keys()];
  return {
    tensors,
    parameters: [...deltas.values()],
    fisher,
    advance() {},
    materialise(weights) {
      for (const name of tensors) addInto(valuesOf(weights, name), valuesOf(deltas, name));
    },
    pullBack(gradients) {
      for (const name of tensors) accumulateSquares(valuesOf(fisher, name), valuesOf(gradients, name), DECAY);
      return tensors.map((name) => valuesOf(gradients, name));
    },
    ops: () => [],
    describe: () => ({}),
  };
}

function addInto(target: Float32Array, values: Float32Array): void {
  for (let i = 0; i < target.length; i++) target[i] = (target[i] as number) + (values[i] as number);
}

/**
 * Moves a running mean of squared gradients on.
 *
 * @param mean the mean, changed in place
 * @param gradient the newest gradient
 * @param decay share of the old mean that survives
 */
export function accumulateSquares(mean: Float32Array, gradient: Float32Array, decay: number): void {
  for (let i = 0; i < mean.length; i++) {
    mean[i] = decay * (mean[i] as number) + (1 - decay) * (gradient[i] as number) ** 2;
  }
}
