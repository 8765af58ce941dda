import { NeuralDiffError } from '../../model/errors.js';
import type { Data } from '../../train/data.js';
import type { Numbers, Runner, readRows } from '../../train/predictor.js';
import type { Predictions, Truth } from '../assess.js';
import { bad, type ClassOutputs, classesOf, classOutputsOf } from './truth.js';

/** A model's predictions for the examples, or why they are unusable. */
export type Predicted = { readonly predictions: Predictions } | { readonly problem: string };

/** The input of `predict` in addition to the model. */
export interface PredictJob {
  readonly data: Data;
  readonly truth: Truth;
  readonly readRows: typeof readRows;
  /** Called after each batch; an error it throws ends the work. */
  readonly onExamples: (done: number) => void;
}

/**
 * Runs a model on all examples.
 *
 * @throws NeuralDiffError `bad-data` for a dataset that does not repeat the same examples in the same order;
 *   `wrong-layout` for a model whose classes differ from those of the truth
 */
export async function predict(model: Runner, job: PredictJob): Promise<Predicted> {
  const { truth } = job;
  const outputs = classOutputsOf(model);
  const { classes, place, hasSteps } = outputs;
  if (classes !== truth.labels.length) throw otherClasses(classes, truth.labels.length);
  const examples = truth.classes.length;
  const probabilities = new Float32Array(examples * classes);
  const problems: Record<OutputProblem, number> = { 'not numbers': 0, 'not probabilities': 0 };
  let done = 0;
  for await (const rows of job.readRows(job.data, model)) {
    const labels = rows.labels[place] as Numbers;
    const right = classesOf([labels], outputs);
    if (right.some((each, i) => each !== truth.classes[done + i])) throw changed();
    const { shape, values } = rows.outputs[place] as Numbers;
    const width = shape.at(-1) ?? 0;
    const [expected, given] = [shape.slice(0, -1), labels.shape.slice(0, shape.length - 1)].map((sizes) =>
      sizes.join(' × '),
    );
    if (given !== expected)
      throw bad(`expected labels for ${expected} ${hasSteps ? 'steps' : 'examples'}, got ${given}`);
    for (let i = 0; i < right.length; i++, done++) {
      const target = probabilities.subarray(done * classes, (done + 1) * classes);
      const found = readProbabilities(values.subarray(i * width, (i + 1) * width), outputs, target);
      if (found) problems[found]++;
    }
    job.onExamples(done);
  }
  if (done !== examples) throw changed();
  const problem = (Object.keys(problems) as OutputProblem[]).find((kind) => problems[kind] > 0);
  if (problem === undefined) return { predictions: { classes, probabilities } };
  return { problem: `gives outputs that are ${problem} for ${problems[problem]} of ${examples} examples` };
}

function otherClasses(got: number, expected: number): Error {
  const message = `Cannot compare models: expected ${expected} classes, as the base has, got ${got}`;
  return new NeuralDiffError('wrong-layout', message);
}

function changed(): Error {
  return bad(
    'expected the dataset to repeat the same examples in the same order; do not shuffle examples that are measured',
  );
}

/** Largest deviation from 1 of the sum of an example's probabilities. */
const SUM_TOLERANCE = 0.01;

/** What is wrong with a model's outputs for an example. */
export type OutputProblem = 'not numbers' | 'not probabilities';

/**
 * Converts a model's outputs for an example into probabilities.
 *
 * @param row the model's outputs
 * @param target receives a probability for each class, clipped to 1 against rounding errors
 * @returns the problem with the outputs, if any; the target is invalid then
 */
export function readProbabilities(
  row: ArrayLike<number>,
  { isBinary, areLogits }: Pick<ClassOutputs, 'isBinary' | 'areLogits'>,
  target: Float32Array,
): OutputProblem | undefined {
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
