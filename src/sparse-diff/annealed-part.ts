import * as tf from '@tensorflow/tfjs';
import { addGated, openGates, pullGated, trackSquares } from '../tfjs/kernels/diff/gates.js';
import { maskAt, takeAt } from '../tfjs/kernels/diff/sparse.js';
import { type Temperatures, temperatureAt } from '../train/annealed-choice.js';
import {
  type DiffPart,
  type LiveValues,
  readAll,
  readFloats,
  type TrainingShare,
  type Values,
  valuesOf,
  zeroVariables,
} from '../train/part.js';
import type { ScaleOf } from '../train/quantise.js';
import { assign } from '../train/training-state.js';
import { addMasked, densityOf, type Mask, maskOps, type Positions } from './mask.js';
import { type Saliency, type Scope, saliencyOf, thresholds } from './saliency.js';

/** Settings of an annealed sparse diff. */
export interface AnnealingOptions {
  readonly saliency: Saliency;
  readonly scope: Scope;
  /** Share of the steps after which the mask is fixed: above 0, below 1. */
  readonly fixedFrom: number;
  /** Temperature of the gates at the start, and when the mask is fixed. */
  readonly temperatures: Temperatures;
  /** Final density. */
  readonly density: number;
  readonly bits: number;
  /** Expected size of each tensor's changes, by name; 1 by default. */
  readonly sizes: ReadonlyMap<string, number>;
  readonly scaleOf: ScaleOf;
  /** Chooses the final mask from the saliencies, within the byte budget. */
  choose(saliency: Values): Positions;
}

/**
 * Steps between updates of the thresholds: sorting all saliencies takes as long as a step of a small model.
 */
const STEPS_PER_THRESHOLD = 10;

/** Decay of the running mean of squared gradients per step. */
const FISHER_DECAY = 0.99;

/**
 * Creates a part with soft gates that harden: `D = m * d` with `m = sigmoid(log(s / τ) / T)`, where s is the
 * saliency of a weight's change, τ the threshold for the current density, T the temperature. The density
 * falls from 1 to its target on a cubic schedule while T anneals; then the mask is fixed and the changes keep
 * training with quantisation.
 *
 * Source: "Learning a Neural Diff for Speech Models", Interspeech 2021, for the annealed mask; M. Zhu, S.
 * Gupta, "To prune, or not to prune", 2017, for the cubic schedule.
 *
 * @param base values of the tensors by name
 */
export function createAnnealedPart(base: Values, options: AnnealingOptions): DiffPart {
  return new AnnealedPart(base, options);
}

/** What steps depend on besides θ; density and temperature follow from the progress. */
interface AnnealedState {
  readonly fisher: Values;
  readonly thresholds: ReadonlyMap<string, number>;
  readonly positions: Positions | undefined;
  readonly steps: number;
}

class AnnealedPart implements DiffPart {
  readonly tensors: readonly string[];
  readonly parameters: readonly tf.Variable[];
  readonly #options: AnnealingOptions;
  readonly #changes: ReadonlyMap<string, tf.Variable>;
  readonly #fisher: ReadonlyMap<string, tf.Variable>;
  readonly #gates: ReadonlyMap<string, tf.Variable>;
  readonly #weightCount: number;
  /** Empty until the first update: all gates are open. */
  #thresholds: ReadonlyMap<string, number> = new Map();
  #temperature: number;
  #density = 1;
  #steps = 0;
  /** Set once the mask is fixed. */
  #positions: Positions | undefined;
  /** Changes at the mask's positions as they were last read. */
  #masked: Values = new Map();

  constructor(base: Values, options: AnnealingOptions) {
    this.#options = options;
    this.tensors = [...base.keys()];
    this.#changes = zeroVariables(base);
    this.#fisher = zeroVariables(base);
    this.#gates = zeroVariables(base);
    this.parameters = [...this.#changes.values()];
    this.#weightCount = [...base.values()].reduce((sum, values) => sum + values.length, 0);
    this.#temperature = options.temperatures.first;
  }

  dispose(): void {
    tf.dispose([...this.#changes.values(), ...this.#fisher.values(), ...this.#gates.values()]);
  }

  async advance({ done }: TrainingShare): Promise<void> {
    if (this.#positions) return this.read();
    const { fixedFrom, temperatures, density } = this.#options;
    const pruned = Math.min(done / fixedFrom, 1);
    if (pruned === 1) return this.read();
    this.#density = density + (1 - density) * (1 - pruned) ** 3;
    this.#temperature = temperatureAt(temperatures, pruned);
    if (this.#steps++ % STEPS_PER_THRESHOLD === 0 && pruned > 0) {
      this.#thresholds = thresholds(await this.#saliency(), this.#density, this.#options.scope);
    }
  }

  /** Fixes the mask. */
  async read(): Promise<void> {
    this.#positions ??= this.#options.choose(await this.#saliency());
    const masked = ([name, places]: [string, Uint32Array]) =>
      [name, tf.tidy(() => takeAt(this.#change(name), places))] as const;
    const changes = new Map(Array.from(this.#positions, masked));
    this.#masked = await readAll(changes);
    tf.dispose([...changes.values()]);
  }

  materialise(weights: LiveValues): LiveValues {
    if (this.#positions) return addMasked(weights, this.#mask(this.#positions));
    return new Map(this.tensors.map((name) => [name, this.#addGated(name, valuesOf(weights, name))]));
  }

  pullBack(gradients: LiveValues): tf.Tensor[] {
    return this.tensors.map((name) => {
      const gradient = tf.reshape(valuesOf(gradients, name), [-1]);
      const scaled = tf.mul(gradient, this.#size(name));
      if (this.#positions) return maskAt(scaled, this.#positions.get(name) ?? new Uint32Array(0));
      trackSquares(valuesOf(this.#fisher, name), gradient, FISHER_DECAY);
      return this.#isOpen(name) ? scaled : this.#pullGated(name, scaled);
    });
  }

  ops(extraZeros: number) {
    return maskOps(this.#mask(this.#positions ?? new Map()), extraZeros);
  }

  async save(): Promise<AnnealedState> {
    const fisher = await readAll(this.#fisher);
    const [thresholds, positions, steps] = [this.#thresholds, this.#positions, this.#steps];
    return { fisher, thresholds, positions, steps };
  }

  restore({ fisher, thresholds, positions, steps }: AnnealedState): void {
    for (const [name, values] of fisher) assign(valuesOf(this.#fisher, name), values);
    [this.#thresholds, this.#positions, this.#steps] = [thresholds, positions, steps];
  }

  describe(): Record<string, number> {
    if (this.#positions) return { density: densityOf(this.#positions, this.#weightCount), temperature: 0 };
    return { density: this.#density, temperature: this.#temperature };
  }

  #mask(positions: Positions): Mask {
    const { bits, scaleOf } = this.#options;
    return { positions, changes: this.#masked, bits, scaleOf };
  }

  /** One tensor at a time, to save memory. */
  async #saliency(): Promise<Values> {
    const kind = this.#options.saliency;
    const saliency = new Map<string, Float32Array>();
    for (const name of this.tensors) {
      const change = tf.tidy(() => this.#change(name));
      const [changes, fisher] = await Promise.all([
        readFloats(change),
        readFloats(valuesOf(this.#fisher, name)),
      ]);
      change.dispose();
      saliency.set(name, saliencyOf(changes, fisher, { kind, saliency: fisher }));
    }
    return saliency;
  }

  #size(name: string): number {
    return this.#options.sizes.get(name) ?? 1;
  }

  /** @returns θ in the weights' units */
  #change(name: string): tf.Tensor {
    return tf.mul(valuesOf(this.#changes, name), this.#size(name));
  }

  #isOpen(name: string): boolean {
    return (this.#thresholds.get(name) ?? 0) === 0;
  }

  #addGated(name: string, weight: tf.Tensor): tf.Tensor {
    const change = this.#change(name);
    if (this.#isOpen(name)) return tf.add(weight, tf.reshape(change, weight.shape));
    const gates = valuesOf(this.#gates, name);
    const fisher = this.#options.saliency === 'fisher' ? valuesOf(this.#fisher, name) : undefined;
    const threshold = valuesOf(this.#thresholds, name);
    openGates(gates, change, { threshold, temperature: this.#temperature, fisher });
    return addGated(weight, tf.reshape(gates, weight.shape), tf.reshape(change, weight.shape));
  }

  /**
   * The gate depends on the change, too: with s = c·d^n, `d(m·d)/dd = m·(1 + (1 - m)·n / T)`. The factor is
   * capped at its value for T = 1, as a single step could otherwise move a hard gate far across its
   * threshold.
   */
  #pullGated(name: string, gradient: tf.Tensor): tf.Tensor {
    const power = this.#options.saliency === 'fisher' ? 2 : 1;
    return pullGated(valuesOf(this.#gates, name), gradient, power / Math.max(this.#temperature, 1));
  }
}
