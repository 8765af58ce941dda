import * as tf from '@tensorflow/tfjs';
import { FixedBatch } from './fixed-batch.js';
import type { OnnxModel, OnnxPort } from './graph.js';
import { recordNodes } from './interpreter.js';
import { plainOf } from './layout.js';
import { dtypeOf } from './ops/arguments.js';
import { Recorder, type Recording, type Value } from './recorder.js';
import { Scope, type Session } from './scope.js';
import { graphsOf, nodesFor } from './walk.js';
import type { OnnxWeights } from './weights.js';

/** Recordings that are kept: those of whole and last batches in training and measuring. */
const MAX_RECORDINGS = 8;

interface KeptRecording {
  /** Values and input shapes that it is for. */
  readonly key: string;
  readonly recording: Recording;
}

/**
 * Runs the graph of a model: records it for each combination of input shapes and of the conditions of
 * branches, then repeats the recording.
 */
export class Runner {
  readonly #model: OnnxModel;
  readonly #weights: OnnxWeights;
  /** The one used last is at the end. */
  readonly #recordings: KeptRecording[] = [];
  readonly #shared = new Map<string, tf.Tensor>();
  /** Values that follow from constants alone. */
  readonly #folded = new Map<string, Value>();
  readonly #foldings: Recorder;
  readonly #batch: FixedBatch;

  constructor(model: OnnxModel, weights: OnnxWeights) {
    this.#model = model;
    this.#weights = weights;
    this.#foldings = new Recorder(this.#shared);
    this.#batch = new FixedBatch(model.graph.inputs);
    try {
      this.#fold();
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /**
   * Computes values of the graph.
   *
   * @throws NeuralDiffError `unsupported-model`
   */
  run(xs: readonly tf.Tensor[], names: readonly string[]): tf.Tensor[] {
    return tf.tidy(() => this.#batch.run(xs, (part) => this.#run(part, names).outputs));
  }

  /**
   * Chooses, on backends without synchronous reads, how batches of this size are run.
   *
   * @throws NeuralDiffError `unsupported-model`
   */
  async chooseBatches(xs: readonly tf.Tensor[], names: readonly string[]): Promise<void> {
    await this.#batch.choose(xs, (part) => this.#run(part, names).outputs);
  }

  /** @returns names of the trained weights that some values need for these inputs */
  usedWeights(xs: readonly tf.Tensor[], names: readonly string[]): string[] {
    return tf.tidy(() => {
      const { recording, count } = this.#run(this.#batch.first(xs), names);
      const { trained } = this.#weights;
      const used = recording.usedInputs(count);
      return trained.filter((_, i) => used[count - trained.length + i]).map(({ name }) => name);
    });
  }

  dispose(): void {
    for (const { recording } of this.#recordings.splice(0)) recording.dispose();
    this.#foldings.dispose();
    tf.dispose([...this.#shared.values()]);
    this.#shared.clear();
  }

  /** @returns the outputs, the recording that they are of, and the number of its inputs */
  #run(xs: readonly tf.Tensor[], names: readonly string[]) {
    const { inputs } = this.#model.graph;
    const given = xs.map((x, i) => asType(x, inputs[i] as OnnxPort));
    const isFixed = given.map(isChoice);
    const key = JSON.stringify([
      names,
      given.map((x, i) => (isFixed[i] ? [x.shape, [...x.dataSync()]] : x.shape)),
    ]);
    const variables = this.#weights.trained.map(({ variable }) => variable as tf.Tensor);
    const live = [...given.filter((_, i) => !isFixed[i]), ...variables];
    for (const kept of this.#recordings.filter((each) => each.key === key).reverse()) {
      const outputs = kept.recording.run(live);
      if (!outputs) continue;
      this.#recordings.push(...this.#recordings.splice(this.#recordings.indexOf(kept), 1));
      return { outputs, recording: kept.recording, count: live.length };
    }
    const recording = this.#record(given, isFixed, names);
    this.#recordings.push({ key, recording });
    if (this.#recordings.length > MAX_RECORDINGS) this.#recordings.shift()?.recording.dispose();
    return { outputs: recording.run(live) as tf.Tensor[], recording, count: live.length };
  }

  #record(xs: readonly tf.Tensor[], isFixed: readonly boolean[], names: readonly string[]): Recording {
    const { graph } = this.#model;
    const recorder = new Recorder(this.#shared);
    try {
      const values = xs.map((x, i) => (isFixed[i] ? undefined : recorder.input(x)));
      const session = this.#session(recorder);
      const scope = new Scope(session, graph);
      for (const [name, value] of this.#folded) scope.set(name, value);
      xs.forEach((x, i) => {
        scope.set((graph.inputs[i] as OnnxPort).name, values[i] ?? recorder.known(tf.clone(x)));
      });
      let recording: Recording | undefined;
      tf.tidy(() => {
        for (const [value, stored] of this.#weights.dequantised)
          scope.set(value, session.variables.get(stored) as Value);
        const needed = nodesFor(graph, names);
        recordNodes(
          graph.nodes.filter((node) => needed.has(node)),
          { session, scope },
        );
        recording = recorder.finish(names.map((name) => plainOf(recorder, scope.get(name))));
      });
      return recording as unknown as Recording;
    } catch (error) {
      recorder.dispose();
      throw error;
    }
  }

  #session(recorder: Recorder): Session {
    const { trained, constant } = this.#weights;
    return {
      recorder,
      constant,
      opsets: this.#model.opsets,
      variables: new Map(trained.map(({ name, variable }) => [name, recorder.input(variable)])),
      count: { nodes: 0 },
    };
  }

  /** Computes the nodes whose inputs are all constants. */
  #fold(): void {
    const { graph } = this.#model;
    const session = this.#session(this.#foldings);
    const scope = new Scope(session, graph);
    const isConstant = (name: string): boolean => name === '' || (scope.find(name)?.isConstant ?? false);
    const needed = nodesFor(
      graph,
      graph.outputs.map(({ name }) => name),
    );
    tf.tidy(() => {
      for (const node of graph.nodes) {
        if (!needed.has(node) || graphsOf(node).length > 0 || !node.inputs.every(isConstant)) continue;
        recordNodes([node], { session, scope });
        for (const name of node.outputs) {
          const value = scope.find(name);
          if (value) this.#folded.set(name, value);
        }
      }
    });
  }
}

/** @returns whether an input chooses between branches, such as a sampling rate, as whole numbers do */
function isChoice({ dtype, size, rank }: tf.Tensor): boolean {
  return dtype !== 'float32' && size === 1 && rank === 0;
}

function asType(x: tf.Tensor, { type }: OnnxPort): tf.Tensor {
  const dtype = dtypeOf(type ?? 'float32');
  return x.dtype === dtype ? x : tf.cast(x, dtype);
}
