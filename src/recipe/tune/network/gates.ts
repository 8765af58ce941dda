import * as tf from '@tensorflow/tfjs';
import type { Random } from '../../../train/random.js';
import type { Value } from '../space.js';
import type { Hooks } from './create-network.js';
import { LANES } from './network-space.js';

/** What gates of a supernet have in common. */
export interface GateControl {
  /** Falls from 1 to 0.05: gates become hard. */
  temperature: number;
  readonly random: Random;
}

/** Logits in the units of θ, so that an optimiser that moves weights by little moves gates by enough. */
const SCALE = 10;

/** Logit of a gate at the start: most are open. */
const FIRST_LOGIT = 2;

/**
 * Temperature of the noise: gates are between 0 and 1, and have a gradient. Source: C. J. Maddison et al.,
 * "The Concrete Distribution" (2017).
 */
const NOISE_TEMPERATURE = 0.5;

/** Largest group of channels with one gate. */
const MOST_LANES = 2 * LANES;

/** @returns channels of a gate: 8 if that divides all widths, else 4 */
export function groupOf(widths: readonly Value[]): number {
  return widths.every((width) => Number(width) % MOST_LANES === 0) ? MOST_LANES : LANES;
}

/** A layer with a choice that trains: its logits are a weight of the network. */
export abstract class Gate extends tf.layers.Layer {
  protected readonly control: GateControl;
  #theta: ReturnType<tf.layers.Layer['addWeight']> | undefined;

  constructor(name: string, control: GateControl) {
    super({ name });
    this.control = control;
  }

  /** @returns what the choice is expected to be, as `LatencySurface.expected` takes it, with its gradient */
  abstract share(): tf.Tensor;

  /** @returns the learnt logits: above 0 a gate is open; the largest is the branch */
  logits(): Float32Array {
    return (this.#weight.read().dataSync() as Float32Array).map((theta) => theta * SCALE);
  }

  setLogits(logits: readonly number[]): void {
    const values = tf.tensor1d(logits.map((each) => each / SCALE));
    this.#weight.write(values);
    values.dispose();
  }

  protected addLogits(count: number, first: number): void {
    const initializer = tf.initializers.constant({ value: first / SCALE });
    this.#theta = this.addWeight('theta', [count], 'float32', initializer);
  }

  /** @returns logits over the temperature */
  protected logOdds(): tf.Tensor1D {
    return tf.mul(this.#weight.read(), SCALE / this.control.temperature) as tf.Tensor1D;
  }

  get #weight(): ReturnType<tf.layers.Layer['addWeight']> {
    if (this.#theta === undefined) throw new RangeError(`Cannot read gate "${this.name}" before it is built`);
    return this.#theta;
  }
}

/**
 * Multiplies groups of channels by gates. In training a gate is `sigmoid((l / T + ε) / 0.5)` with its logit
 * l, the temperature T and logistic noise ε, so that what follows cannot undo a half-open gate by larger
 * weights; otherwise it is 1 where l > 0, else 0.
 *
 * Source: C. Louizos et al., "Learning Sparse Neural Networks through L0 Regularization" (2018).
 */
class WidthGate extends Gate {
  static readonly className = 'WidthGate';
  readonly #group: number;

  constructor(name: string, group: number, control: GateControl) {
    super(name, control);
    this.#group = group;
  }

  override build(shape: tf.Shape | tf.Shape[]): void {
    this.addLogits((shape.at(-1) as number) / this.#group, FIRST_LOGIT);
    super.build(shape);
  }

  override computeOutputShape(shape: tf.Shape | tf.Shape[]): tf.Shape | tf.Shape[] {
    return shape;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], { training = false }: { training?: boolean }): tf.Tensor {
    return tf.tidy(() => {
      const [x] = [inputs].flat() as [tf.Tensor];
      const gates = training ? this.#softGates() : tf.cast(tf.greater(this.logOdds(), 0), 'float32');
      const wide = tf.mul(tf.reshape(gates, [-1, 1]), tf.ones([1, this.#group]));
      return tf.mul(x, tf.reshape(wide, [-1]));
    });
  }

  #softGates(): tf.Tensor {
    const odds = this.logOdds();
    const noise = Array.from({ length: odds.size }, () => logisticOf(this.control.random()));
    return tf.sigmoid(tf.div(tf.add(odds, tf.tensor1d(noise)), NOISE_TEMPERATURE));
  }

  override share(): tf.Tensor {
    return tf.mean(tf.sigmoid(this.logOdds()));
  }
}

/**
 * Adds up branches. In training their weights are `softmax((l / T + g) / 0.5)` with Gumbel noise g; otherwise
 * the branch with the largest logit is passed on.
 *
 * Source: B. Wu et al., "FBNet: Hardware-Aware Efficient ConvNet Design via Differentiable Neural
 * Architecture Search" (2019).
 */
class BranchGate extends Gate {
  static readonly className = 'BranchGate';

  override build(shapes: tf.Shape | tf.Shape[]): void {
    this.addLogits(shapes.length, 0);
    super.build(shapes);
  }

  override computeOutputShape(shapes: tf.Shape | tf.Shape[]): tf.Shape {
    return shapes[0] as tf.Shape;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], { training = false }: { training?: boolean }): tf.Tensor {
    return tf.tidy(() => {
      const branches = [inputs].flat() as tf.Tensor[];
      if (!training) return tf.clone(branches[indexOfLargest(this.logits())] as tf.Tensor);
      const noise = branches.map(() => gumbelOf(this.control.random()));
      const odds = tf.add(this.logOdds(), tf.tensor1d(noise));
      const weights = tf.softmax(tf.div(odds, NOISE_TEMPERATURE) as tf.Tensor1D);
      return tf.addN(branches.map((branch, i) => tf.mul(branch, tf.slice(weights, [i], [1]))));
    });
  }

  override share(): tf.Tensor {
    return tf.softmax(this.logOdds());
  }
}

export function indexOfLargest(values: Float32Array): number {
  return values.indexOf(Math.max(...values));
}

function logisticOf(uniform: number): number {
  const inside = Math.min(Math.max(uniform, 1e-7), 1 - 1e-7);
  return Math.log(inside / (1 - inside));
}

function gumbelOf(uniform: number): number {
  return -Math.log(-Math.log(Math.min(Math.max(uniform, 1e-7), 1 - 1e-7)));
}

/** Hooks that put gates into a network. */
export interface GateHooks extends Hooks {
  /** The gates by the names of their choices, once the network is made. */
  readonly gates: ReadonlyMap<string, Gate>;
}

/**
 * @param valuesOf the values of a choice
 * @returns hooks with which `createNetwork` makes a supernet: gates for widths, all branches. A choice that
 *   is marked several times has one gate
 */
export function gateHooks(valuesOf: (name: string) => readonly Value[], control: GateControl): GateHooks {
  const gates = new Map<string, Gate>();
  const gateOf = (name: string, make: (layerName: string) => Gate): Gate => {
    const gate = gates.get(name) ?? make(`gate_${name}`);
    gates.set(name, gate);
    return gate;
  };
  return {
    gates,
    gate(tensor, name) {
      const gate = gateOf(name, (own) => new WidthGate(own, groupOf(valuesOf(name)), control));
      return gate.apply(tensor) as tf.SymbolicTensor;
    },
    pick(name, branches) {
      const made = valuesOf(name).map((value) => (branches[value] as () => tf.SymbolicTensor)());
      return gateOf(name, (own) => new BranchGate(own, control)).apply(made) as tf.SymbolicTensor;
    },
  };
}
