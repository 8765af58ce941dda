import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../model/errors.js';
import { onHost } from '../tfjs/memory.js';

/** A value of a graph that is being recorded. */
export interface Value {
  /** What it is for the inputs that the graph is recorded with. */
  readonly tensor: tf.Tensor;
  /** Its number among those that each run computes; undefined for one that is the same in every run. */
  readonly slot: number | undefined;
  /** Whether it follows from the file alone. */
  readonly isConstant: boolean;
  /** Whether its channels come last, and not second as in ONNX; it has 3 dimensions or more. */
  readonly isLast: boolean;
  /** Whether its shape follows from more than the shapes of the graph's inputs. */
  readonly isDynamic: boolean;
}

/** Computes values from others; inputs left out are undefined. */
export type Compute = (tensors: readonly (tf.Tensor | undefined)[]) => tf.Tensor | readonly tf.Tensor[];

/** What is known of the values of a step. */
export type Facts = Partial<Pick<Value, 'isLast' | 'isDynamic'>>;

/** How a value is computed from one other. */
export interface Derivation {
  /** Tells the ways to compute values apart. */
  readonly key: string;
  readonly compute: (tensor: tf.Tensor) => tf.Tensor;
  readonly isLast?: boolean;
}

interface Step {
  /** Slots, or tensors that are the same in every run. */
  readonly args: readonly (number | tf.Tensor | undefined)[];
  readonly slots: readonly number[];
  readonly compute: Compute;
}

/** A truth value that the steps behind it hold for. */
interface Condition {
  readonly slot: number;
  readonly isTrue: boolean;
}

/** Steps of one run: the largest networks have some ten thousand. */
const MAX_STEPS = 2 ** 16;

/**
 * Records what a graph computes for inputs of some shapes as a list of steps. Whatever follows from constants
 * and shapes is computed at once and kept.
 */
export class Recorder {
  readonly #steps: (Step | Condition)[] = [];
  readonly #kept: tf.Tensor[] = [];
  readonly #derived = new Map<Value, Map<string, Value>>();
  /** Tensors derived from constants, for all recordings of a network. */
  readonly #shared: Map<string, tf.Tensor>;
  #slots = 0;

  constructor(shared: Map<string, tf.Tensor>) {
    this.#shared = shared;
  }

  /** Adds an input of the steps; they are numbered in the order of these calls. */
  input(tensor: tf.Tensor): Value {
    return { tensor, slot: this.#slots++, isConstant: false, isLast: false, isDynamic: false };
  }

  /** Adds a value that is the same in every run with these shapes; the recording takes the tensor. */
  known(tensor: tf.Tensor): Value {
    this.#kept.push(tf.keep(tensor));
    return knownValue(tensor, false);
  }

  /** Computes values, and records how if they differ between runs. */
  emit(inputs: readonly (Value | undefined)[], compute: Compute, facts: Facts = {}): Value[] {
    const tensors = inputs.map((input) => input?.tensor);
    const given = inputs.filter((input) => input !== undefined);
    const { isLast = false, isDynamic = given.some((input) => input.isDynamic) } = facts;
    if (given.every(({ slot }) => slot === undefined)) {
      const isConstant = given.every((input) => input.isConstant);
      const results = onHost(() => tf.tidy(() => [...listOf(compute(tensors))]));
      for (const each of results) if (!tensors.includes(each)) this.#kept.push(tf.keep(each));
      return results.map((tensor) => ({ ...knownValue(tensor, isConstant), isLast }));
    }
    if (this.#steps.length >= MAX_STEPS)
      throw new NeuralDiffError(
        'unsupported-model',
        `expected at most ${MAX_STEPS} operations, loops included`,
      );
    const results = listOf(compute(tensors));
    const slots = results.map(() => this.#slots++);
    this.#steps.push({ args: inputs.map((input) => input?.slot ?? input?.tensor), slots, compute });
    return results.map((tensor, i) => {
      return { tensor, slot: slots[i], isConstant: false, isLast, isDynamic };
    });
  }

  /** @returns whether a truth value holds; runs in which it is another one need another recording */
  choose({ slot, tensor }: Value): boolean {
    const isTrue = readTruth(tensor);
    if (slot !== undefined) this.#steps.push({ slot, isTrue });
    return isTrue;
  }

  /** Computes a value from one other, once for all that need it. */
  derive(input: Value, derivation: Derivation): Value {
    const known = this.#derived.get(input) ?? new Map<string, Value>();
    this.#derived.set(input, known);
    const found = known.get(derivation.key) ?? this.#deriveNew(input, derivation);
    known.set(derivation.key, found);
    return found;
  }

  #deriveNew(input: Value, { key, compute, isLast = false }: Derivation): Value {
    if (!input.isConstant)
      return this.emit([input], ([tensor]) => compute(tensor as tf.Tensor), { isLast })[0] as Value;
    const name = `${input.tensor.id}:${key}`;
    const tensor =
      this.#shared.get(name) ?? tf.keep(onHost(() => tf.tidy(() => tf.clone(compute(input.tensor)))));
    this.#shared.set(name, tensor);
    return { ...knownValue(tensor, true), isLast };
  }

  /** @returns the steps that lead to some values */
  finish(outputs: readonly Value[]): Recording {
    return new Recording(this.#steps, this.#kept, outputs);
  }

  /** Frees what was kept, if there will be no recording. */
  dispose(): void {
    tf.dispose(this.#kept);
  }
}

/** What a graph computes for inputs of some shapes. */
export class Recording {
  readonly #steps: readonly (Step | Condition)[];
  readonly #kept: tf.Tensor[];
  readonly #outputs: readonly (number | tf.Tensor)[];

  constructor(steps: readonly (Step | Condition)[], kept: tf.Tensor[], outputs: readonly Value[]) {
    this.#steps = steps;
    this.#kept = kept;
    this.#outputs = outputs.map(({ slot, tensor }) => slot ?? tensor);
  }

  /**
   * @param inputs in the order in which they were added
   * @returns undefined if a condition is another one than in the recording
   */
  run(inputs: readonly tf.Tensor[]): tf.Tensor[] | undefined {
    return tf.tidy(() => {
      const held: tf.Tensor[] = [...inputs];
      const tensorOf = (arg: number | tf.Tensor | undefined) => (typeof arg === 'number' ? held[arg] : arg);
      for (const step of this.#steps) {
        if ('isTrue' in step) {
          if (readTruth(held[step.slot] as tf.Tensor) !== step.isTrue) return undefined;
          continue;
        }
        const { args, slots, compute } = step;
        const results = listOf(compute(args.map(tensorOf)));
        for (let i = 0; i < slots.length; i++) held[slots[i] as number] = results[i] as tf.Tensor;
      }
      // Copies share the numbers; the caller may dispose of them, of inputs and constants among them, too.
      return this.#outputs.map((output) => tf.clone(tensorOf(output) as tf.Tensor));
    });
  }

  /** @returns which inputs some step or output uses */
  usedInputs(count: number): boolean[] {
    const args = this.#steps.flatMap((step) => ('isTrue' in step ? [step.slot] : step.args));
    const used = new Set([...args, ...this.#outputs]);
    return Array.from({ length: count }, (_, i) => used.has(i));
  }

  dispose(): void {
    tf.dispose(this.#kept);
  }
}

function readTruth(tensor: tf.Tensor): boolean {
  if (tensor.size !== 1) throw new Error(`expected a condition of one element, got shape [${tensor.shape}]`);
  return tensor.dataSync()[0] !== 0;
}

function knownValue(tensor: tf.Tensor, isConstant: boolean): Value {
  return { tensor, slot: undefined, isConstant, isLast: false, isDynamic: false };
}

/** @returns the value of a tensor of the file */
export function constantValue(tensor: tf.Tensor): Value {
  return knownValue(tensor, true);
}

function listOf(results: tf.Tensor | readonly tf.Tensor[]): readonly tf.Tensor[] {
  return results instanceof tf.Tensor ? [results] : results;
}
