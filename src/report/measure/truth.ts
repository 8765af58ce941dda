import { NeuralDiffError } from '../../model/errors.js';
import type { RecipeData } from '../../recipe/recipe.js';
import type { Numbers, OutputFacts } from '../../train/predictor.js';
import type { Truth } from '../assess.js';

/** A recipe's descriptions of the measured examples. */
export type Descriptions = Pick<RecipeData, 'labels' | 'names' | 'slices'>;

/**
 * Collects the ground truth of the examples.
 *
 * @param batches labels of all examples, in order: one-hot, or class numbers
 * @throws NeuralDiffError `bad-data` for labels that are not classes of the model, a wrong number of
 *   descriptions, two slices with the same name
 */
export function truthOf(
  batches: readonly Numbers[],
  { classes }: ClassOutputs,
  { labels, names, slices }: Descriptions,
): Truth {
  const right = classesOf(batches, classes);
  const given = labels ?? Array.from({ length: classes }, (_, i) => String(i));
  if (given.length !== classes)
    throw bad(`expected ${classes} labels, one for each class of the model, got ${given.length}`);
  if (new Set(given).size !== classes) throw bad('expected labels that differ from each other');
  if (right.length === 0) throw bad('expected examples, got none');
  const checkCount = (what: string, list: readonly string[]): void => {
    if (list.length !== right.length)
      throw bad(`expected ${what} for each of ${right.length} examples, got ${list.length}`);
  };
  if (names) checkCount('a name', names);
  for (const [name, values] of Object.entries(slices ?? {})) checkCount(`a value of slice "${name}"`, values);
  checkSliceNames(slices ?? {});
  return { labels: given, classes: right, ...(names && { names }), ...(slices && { slices }) };
}

/**
 * Rejects ambiguous slice names, as gates refer to slices by name: `a: b: c` could be slice `a` or slice `a:
 * b`.
 */
function checkSliceNames(slices: NonNullable<Descriptions['slices']>): void {
  const names = new Set<string>();
  for (const [by, values] of Object.entries(slices))
    for (const value of new Set(values)) {
      const name = `${by}: ${value}`;
      if (names.has(name)) throw bad(`expected slices of different names, got two that are "${name}"`);
      names.add(name);
    }
}

/**
 * Reads labels.
 *
 * @param batches one-hot rows `[examples, classes]`, or class numbers `[examples]` or `[examples, 1]`
 * @returns the class of each example
 * @throws NeuralDiffError `bad-data`
 */
export function classesOf(batches: readonly Numbers[], classes: number): Int32Array {
  const all: number[] = [];
  for (const { shape, values } of batches) {
    const [count = 0, width = 1] = shape;
    const isHot = shape.length === 2 && width === classes;
    if (!isHot && (shape.length === 0 || shape.length > 2 || width !== 1))
      throw bad(
        `expected labels of shape [examples, ${classes}], [examples] or [examples, 1], got [${shape}]`,
      );
    for (let i = 0; i < count; i++) {
      const row = values.subarray(i * width, (i + 1) * width);
      all.push(isHot ? hotClass(row, all.length) : numberedClass(row[0] as number, all.length, classes));
    }
  }
  return Int32Array.from(all);
}

function hotClass(row: ArrayLike<number>, example: number): number {
  let found = -1;
  for (let i = 0; i < row.length; i++) {
    const value = row[i] as number;
    if (Number.isNaN(value)) throw bad(`the label of example ${example} is not a number`);
    if (value !== 0 && (value !== 1 || found >= 0)) throw notHot(example);
    if (value === 1) found = i;
  }
  if (found < 0) throw notHot(example);
  return found;
}

function notHot(example: number): NeuralDiffError {
  return bad(`expected one-hot labels, one 1 among zeros; those of example ${example} are not`);
}

function numberedClass(value: number, example: number, classes: number): number {
  if (Number.isNaN(value)) throw bad(`the label of example ${example} is not a number`);
  if (Number.isInteger(value) && value >= 0 && value < classes) return value;
  throw bad(`expected classes from 0 to ${classes - 1} as labels, got ${value} for example ${example}`);
}

/** @param reason what was expected and what was found */
export function bad(reason: string): NeuralDiffError {
  return new NeuralDiffError('bad-data', `Cannot measure accuracy: ${reason}`);
}

/** How a model's outputs encode classes. */
export interface ClassOutputs {
  /** At least 2. */
  readonly classes: number;
  /** Whether the model has a single output, for the second of two classes. */
  readonly isBinary: boolean;
  readonly areLogits: boolean;
}

/**
 * Determines how a model's outputs encode classes.
 *
 * @throws NeuralDiffError `bad-data` for outputs that are not probabilities or logits of classes
 */
export function classOutputsOf(
  model: Pick<OutputFacts, 'outputShapes' | 'outputKinds' | 'activations'>,
): ClassOutputs {
  const { outputShapes, outputKinds, activations } = model;
  if (outputShapes.length !== 1)
    throw unfit(`${outputShapes.length} outputs; of a GraphModel or an ONNX file, name one as "outputs"`);
  const [shape] = outputShapes as [OutputFacts['outputShapes'][number]];
  const classes = shape[1] ?? 0;
  const description = `one of shape [${shape.map((size) => size ?? 'examples').join(', ')}]`;
  if (shape.length !== 2 || classes === 0) throw unfit(description);
  const kind = outputKinds[0] === 'values' ? undefined : outputKinds[0];
  if (classes === 1) {
    const isSigmoid = activations[0] === 'sigmoid';
    if (kind === undefined && !isSigmoid) throw unfit(`${description} without a sigmoid`);
    return { classes: 2, isBinary: true, areLogits: kind === 'logits' };
  }
  if (kind === undefined)
    throw unfit(`${description} without a softmax; for logits set "outputKind" in the options of the recipe`);
  return { classes, isBinary: false, areLogits: kind === 'logits' };
}

function unfit(got: string): Error {
  return bad(`expected one output with class probabilities or logits, got ${got}`);
}
