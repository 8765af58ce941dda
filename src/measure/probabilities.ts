import type { ClassOutputs } from './class-outputs.js';

/** Most that the probabilities of an example may sum to beside 1. */
const SUM_TOLERANCE = 0.01;

/** What is wrong with a model's outputs for an example. */
export type Oddity = 'not numbers' | 'not probabilities';

/**
 * Turns what a model gives for an example into probabilities.
 *
 * @param row the model's outputs
 * @param target gets a probability for each class, 1 where rounding has left more
 * @returns what is wrong with the outputs, if anything; the target is of no use then
 */
export function readProbabilities(
  row: ArrayLike<number>,
  { isBinary, areLogits }: ClassOutputs,
  target: Float32Array,
): Oddity | undefined {
  for (let i = 0; i < row.length; i++) if (!Number.isFinite(row[i])) return 'not numbers';
  if (isBinary) {
    const value = row[0] as number;
    target[1] = areLogits ? 1 / (1 + Math.exp(-value)) : value;
    target[0] = 1 - (target[1] as number);
  } else if (areLogits) softmax(row, target);
  else target.set(row);
  const sum = target.reduce((total, probability) => total + probability, 0);
  const areShares = target.every((probability) => probability >= 0 && probability <= 1 + SUM_TOLERANCE);
  if (!areShares || Math.abs(sum - 1) > SUM_TOLERANCE) return 'not probabilities';
  for (let i = 0; i < target.length; i++) target[i] = Math.min(1, target[i] as number);
  return undefined;
}

function softmax(logits: ArrayLike<number>, target: Float32Array): void {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) most = Math.max(most, logits[i] as number);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp((logits[i] as number) - most);
  for (let i = 0; i < logits.length; i++) target[i] = Math.exp((logits[i] as number) - most) / sum;
}
