import type { Predictor } from '../train/index.js';
import { bad } from './truth.js';

/** How a model says which class an example is of. */
export interface ClassOutputs {
  /** At least 2. */
  readonly classes: number;
  /** Of a model with one output a class, or with one for the second of two classes. */
  readonly isBinary: boolean;
  readonly areLogits: boolean;
}

/**
 * Finds out what a model's outputs say of classes.
 *
 * @throws NeuralDiffError `bad-data` for outputs that are no probabilities or logits of classes
 */
export function classOutputsOf(
  model: Pick<Predictor, 'outputShapes' | 'outputKinds' | 'activations'>,
): ClassOutputs {
  const { outputShapes, outputKinds, activations } = model;
  if (outputShapes.length !== 1) throw unfit(`${outputShapes.length} outputs`);
  const [shape] = outputShapes as [Predictor['outputShapes'][number]];
  const classes = shape[1] ?? 0;
  const words = `one of shape [${shape.map((size) => size ?? 'examples').join(', ')}]`;
  if (shape.length !== 2 || classes === 0) throw unfit(words);
  const kind = outputKinds[0] === 'values' ? undefined : outputKinds[0];
  if (classes === 1) {
    const isSigmoid = activations[0] === 'sigmoid';
    if (kind === undefined && !isSigmoid) throw unfit(`${words} without a sigmoid`);
    return { classes: 2, isBinary: true, areLogits: kind === 'logits' };
  }
  if (kind === undefined)
    throw unfit(`${words} without a softmax; logits are known by "outputKind" in the options of the recipe`);
  return { classes, isBinary: false, areLogits: kind === 'logits' };
}

function unfit(got: string): Error {
  return bad(`expected one output with class probabilities or logits, got ${got}`);
}
