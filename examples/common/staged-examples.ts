import { createRandom, shuffled } from './random.js';

/** Labelled examples as plain arrays. Several sets may be views on one array: read them, do not write. */
export interface Examples {
  /** One example after another, each with as many numbers as its shape says. */
  readonly features: Float32Array;
  /** Shape of one example. */
  readonly shape: readonly number[];
  /** Index of each example's label among the data's labels. */
  readonly labels: Int32Array;
  /** Number of examples. */
  readonly count: number;
}

/**
 * What a model is trained on, what choices are made by, and what it is tested on; no example is in two of
 * them.
 */
export interface Split {
  readonly train: Examples;
  /** Empty where a source has none. */
  readonly validation: Examples;
  readonly test: Examples;
}

/** What an example is and from which stage on it is known; stage 0 is the base model. */
export interface ExampleFacts {
  readonly label: number;
  readonly stage: number;
  readonly split: keyof Split;
}

/** The examples of all stages, as a source delivers them. */
export interface StagedExamples {
  /** The labels of all stages, those of earlier stages first. */
  readonly labels: readonly string[];
  /** How many stages there are. */
  readonly stages: number;
  readonly facts: readonly ExampleFacts[];
  /** Features in the order of the facts. */
  readonly features: Float32Array;
  /** Shape of one example. */
  readonly shape: readonly number[];
}

/**
 * Split examples into what each stage trains and tests on: everything known so far.
 *
 * @param source examples of all stages
 * @param seed fixes the order of the examples within a stage
 * @returns one split a stage; those of earlier stages are views on the last one's arrays
 */
export function splitStages(source: StagedExamples, seed: number): Split[] {
  const train = stagedPrefixes(source, 'train', seed);
  const validation = stagedPrefixes(source, 'validation', seed);
  const test = stagedPrefixes(source, 'test', seed);
  return train.map((own, stage) => ({ train: own, validation: validation[stage]!, test: test[stage]! }));
}

function stagedPrefixes(source: StagedExamples, split: ExampleFacts['split'], seed: number): Examples[] {
  const order: number[] = [];
  const counts: number[] = [];
  for (let stage = 0; stage < source.stages; stage += 1) {
    const own = source.facts.flatMap((facts, index) => {
      return facts.stage === stage && facts.split === split ? [index] : [];
    });
    order.push(...shuffled(own, createRandom(seed, `order/${split}/${stage}`)));
    counts.push(order.length);
  }
  const all = gather(source, order);
  const size = sizeOf(source.shape);
  return counts.map((count) => ({
    features: all.features.subarray(0, count * size),
    shape: source.shape,
    labels: all.labels.subarray(0, count),
    count,
  }));
}

/** @returns how many numbers an example of a shape has */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

function gather(source: StagedExamples, order: readonly number[]): Pick<Examples, 'features' | 'labels'> {
  const size = sizeOf(source.shape);
  const features = new Float32Array(order.length * size);
  order.forEach((index, position) => {
    const start = index * size;
    features.set(source.features.subarray(start, start + size), position * size);
  });
  return { features, labels: Int32Array.from(order, (index) => source.facts[index]!.label) };
}
