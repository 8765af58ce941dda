import type * as tf from '@tensorflow/tfjs';
import type { ElementType, OnnxConstant, OnnxGraph } from './graph.js';
import { constantValue, type Recorder, type Value } from './recorder.js';

/** What the recording of a graph needs besides its inputs. */
export interface Session {
  readonly recorder: Recorder;
  readonly opsets: ReadonlyMap<string, number>;
  /** @returns a constant of the file */
  constant(constant: OnnxConstant): tf.Tensor;
  /** Variables, by the name of the tensor in the model's store. */
  readonly variables: ReadonlyMap<string, Value>;
  /** Counts nodes that are run, those of loops each time. */
  readonly count: { nodes: number };
}

/** The values of a graph by name. */
export class Scope {
  readonly #session: Session;
  readonly #graph: OnnxGraph;
  readonly #outer: Scope | undefined;
  readonly #values = new Map<string, Value>();

  constructor(session: Session, graph: OnnxGraph, outer?: Scope) {
    this.#session = session;
    this.#graph = graph;
    this.#outer = outer;
  }

  set(name: string, value: Value): void {
    this.#values.set(name, value);
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** @throws Error for a value that its node does not compute, such as a dropout's mask */
  get(name: string): Value {
    const found = this.find(name);
    if (found) return found;
    throw new Error(`value "${name}" is not computed`);
  }

  find(name: string): Value | undefined {
    const constant = this.#graph.constants.get(name);
    if (!this.#values.has(name) && constant) this.#values.set(name, fromFile(this.#session, constant));
    return this.#values.get(name) ?? this.#outer?.find(name);
  }

  /** @returns the element type of a constant or an input; undefined for other values */
  typeOf(name: string): ElementType | undefined {
    const { constants, inputs } = this.#graph;
    const found = constants.get(name) ?? inputs.find((input) => input.name === name);
    return found?.type ?? this.#outer?.typeOf(name);
  }
}

function fromFile({ variables, constant }: Session, info: OnnxConstant): Value {
  return variables.get(info.stored) ?? constantValue(constant(info));
}

/** Where a graph is recorded: its values, and which of its nodes are needed. */
export interface Place {
  readonly session: Session;
  readonly scope: Scope;
}
