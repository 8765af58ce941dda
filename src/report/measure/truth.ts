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
  outputs: ClassOutputs,
  { labels, names, slices }: Descriptions,
): Truth {
  const { classes, hasSteps } = outputs;
  const right = classesOf(batches, outputs);
  const given = labels ?? Array.from({ length: classes }, (_, i) => String(i));
  if (given.length !== classes)
    throw bad(`expected ${classes} labels, one for each class of the model, got ${given.length}`);
  if (new Set(given).size !== classes) throw bad('expected labels that differ from each other');
  if (right.length === 0) throw bad('expected examples, got none');
  const count = batches.reduce((sum, { shape: [size = 0] }) => sum + size, 0);
  const checkCount = (what: string, list: readonly string[]): void => {
    if (list.length === count) return;
    const of = hasSteps ? 'sequences' : 'examples';
    throw bad(`expected ${what} for each of ${count} ${of}, got ${list.length}`);
  };
  if (names) checkCount('a name', names);
  for (const [name, values] of Object.entries(slices ?? {})) checkCount(`a value of slice "${name}"`, values);
  checkSliceNames(slices ?? {});
  const described = { ...(names && { names }), ...(slices && { slices }) };
  const own = hasSteps ? { ...describeSteps(batches, described), sequences: count } : described;
  return { labels: given, classes: right, ...own };
}

/** Describes each step as its sequence is described; names get the number of the step. */
function describeSteps(
  batches: readonly Numbers[],
  { names, slices }: Pick<Descriptions, 'names' | 'slices'>,
): Pick<Truth, 'names' | 'slices'> {
  let first = 0;
  const places = batches.flatMap(({ shape: [count = 0, steps = 0] }) => {
    const start = first;
    first += count;
    return Array.from({ length: count * steps }, (_, i) => ({
      sequence: start + Math.floor(i / steps),
      step: i % steps,
    }));
  });
  const repeated = Object.entries(slices ?? {}).map(([by, values]) => {
    return [by, places.map(({ sequence }) => values[sequence] as string)] as const;
  });
  return {
    ...(names && { names: places.map(({ sequence, step }) => `${names[sequence]}, step ${step}`) }),
    ...(slices && { slices: Object.fromEntries(repeated) }),
  };
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
 * @param batches one-hot rows `[examples, classes]`, or class numbers `[examples]` or `[examples, 1]`; for
 *   classes of steps, `[examples, steps, classes]`, `[examples, steps]` or `[examples, steps, 1]`
 * @returns the class of each example, or of each step of one example after another
 * @throws NeuralDiffError `bad-data`
 */
export function classesOf(
  batches: readonly Numbers[],
  { classes, hasSteps }: Pick<ClassOutputs, 'classes' | 'hasSteps'>,
): Int32Array {
  const all: number[] = [];
  const rank = hasSteps ? 2 : 1;
  for (const { shape, values } of batches) {
    const width = shape[rank] ?? 1;
    const isHot = shape.length === rank + 1 && width === classes;
    if (!isHot && (shape.length < rank || shape.length > rank + 1 || width !== 1)) {
      const rows = hasSteps ? 'examples, steps' : 'examples';
      throw bad(`expected labels of shape [${rows}, ${classes}], [${rows}] or [${rows}, 1], got [${shape}]`);
    }
    const count = shape.slice(0, rank).reduce((product, size) => product * size, 1);
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
  /** Place among the outputs of the model. */
  readonly place: number;
  /** Whether each step of a sequence has a class, rather than each example. */
  readonly hasSteps: boolean;
}

/**
 * Determines how a model's outputs encode classes.
 *
 * @throws NeuralDiffError `bad-data` for outputs that are not probabilities or logits of classes
 */
export function classOutputsOf(
  model: Pick<OutputFacts, 'outputShapes' | 'outputKinds' | 'activations' | 'measured'>,
): ClassOutputs {
  const { outputShapes, outputKinds, activations, measured } = model;
  if (measured === undefined && outputShapes.length !== 1)
    throw unfit(`${outputShapes.length} outputs; name one as "outputs" in the options of the recipe`);
  const place = measured ?? 0;
  const shape = outputShapes[place] as OutputFacts['outputShapes'][number];
  const classes = shape.at(-1) ?? 0;
  const hasSteps = shape.length === 3;
  const sizes = shape.map((size, axis) => size ?? (hasSteps && axis === 1 ? 'steps' : 'examples'));
  const description = `one of shape [${sizes.join(', ')}]`;
  if (shape.length < 2 || shape.length > 3 || classes === 0) throw unfit(description);
  const kind = outputKinds[place] === 'values' ? undefined : outputKinds[place];
  const found = { areLogits: kind === 'logits', place, hasSteps };
  if (classes === 1) {
    const isSigmoid = activations[place] === 'sigmoid';
    if (kind === undefined && !isSigmoid) throw unfit(`${description} without a sigmoid`);
    return { classes: 2, isBinary: true, ...found };
  }
  if (kind === undefined)
    throw unfit(`${description} without a softmax; for logits set "outputKind" in the options of the recipe`);
  return { classes, isBinary: false, ...found };
}

function unfit(got: string): Error {
  return bad(`expected one output with class probabilities or logits, got ${got}`);
}
