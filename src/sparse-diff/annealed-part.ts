import { accumulateSquares, type DiffPart, type Progress, type Values, valuesOf } from '../train/index.js';
import { addMasked, densityOf, gather, type Mask, maskOps, type Positions } from './mask.js';
import { type Saliency, type Scope, saliencyOf, thresholds } from './saliency.js';

/** How a mask is found while the diff trains. */
export interface AnnealingOptions {
  readonly saliency: Saliency;
  readonly scope: Scope;
  /** Share of all steps after which the mask is fixed: above 0, below 1. */
  readonly fixedFrom: number;
  /** Temperature of the gates at the start and when the mask is fixed. */
  readonly temperatures: { readonly first: number; readonly last: number };
  /** Density to fall to. */
  readonly density: number;
  readonly bits: number;
  /** Chooses the final mask from the saliencies, within the byte budget. */
  choose(saliency: Values): Positions;
}

/** Steps between two looks at the thresholds: sorting all saliencies costs as much as a step of a small model. */
const STEPS_PER_THRESHOLD = 10;

/** Share of the old mean of squared gradients that survives a step. */
const FISHER_DECAY = 0.99;

/**
 * Soft gates that harden: `D = m * d` with `m = sigmoid(log(s / τ) / T)`, s the saliency of a weight's change, τ the
 * threshold that meets the present density, T the temperature. The density falls from 1 to its target on a cubic
 * schedule while T anneals; then the mask is fixed and the changes go on training with their quantiser in the loop.
 *
 * Source: "Learning a Neural Diff for Speech Models", Interspeech 2021, for the annealed mask; M. Zhu, S. Gupta,
 * "To prune, or not to prune", 2017, for the cubic schedule.
 *
 * @param base values of the tensors by name
 */
export function createAnnealedPart(base: Values, options: AnnealingOptions): DiffPart {
  return new AnnealedPart(base, options);
}

class AnnealedPart implements DiffPart {
  readonly tensors: readonly string[];
  readonly #options: AnnealingOptions;
  readonly #changes: Map<string, Float32Array>;
  readonly #fisher: Map<string, Float32Array>;
  readonly #weightCount: number;
  #thresholds: ReadonlyMap<string, number> = new Map();
  #temperature: number;
  #density = 1;
  #steps = 0;
  /** Set once the mask is fixed. */
  #positions: Positions | undefined;

  constructor(base: Values, options: AnnealingOptions) {
    this.#options = options;
    this.tensors = [...base.keys()];
    this.#changes = new Map([...base].map(([name, values]) => [name, new Float32Array(values.length)]));
    this.#fisher = new Map([...base].map(([name, values]) => [name, new Float32Array(values.length)]));
    this.#weightCount = [...base.values()].reduce((sum, values) => sum + values.length, 0);
    this.#temperature = options.temperatures.first;
  }

  get parameters(): Float32Array[] {
    return [...this.#changes.values()];
  }

  advance({ done }: Progress): void {
    if (this.#positions) return;
    const { fixedFrom, temperatures, density } = this.#options;
    const pruned = Math.min(done / fixedFrom, 1);
    if (pruned === 1) {
      this.#fix();
      return;
    }
    this.#density = density + (1 - density) * (1 - pruned) ** 3;
    this.#temperature = temperatures.first * (temperatures.last / temperatures.first) ** pruned;
    if (this.#steps++ % STEPS_PER_THRESHOLD === 0 && pruned > 0) {
      this.#thresholds = thresholds(this.#saliency(), this.#density, this.#options.scope);
    }
  }

  materialise(weights: Values): void {
    if (this.#positions) {
      addMasked(weights, this.#mask(this.#positions));
      return;
    }
    for (const name of this.tensors) this.#gate(name, valuesOf(weights, name));
  }

  pullBack(gradients: Values): Float32Array[] {
    return this.tensors.map((name) => {
      const gradient = valuesOf(gradients, name);
      if (this.#positions) return maskedGradient(gradient, this.#positions.get(name));
      accumulateSquares(valuesOf(this.#fisher, name), gradient, FISHER_DECAY);
      return this.#gatedGradient(name, gradient);
    });
  }

  ops() {
    this.#fix();
    return maskOps(this.#mask(this.#positions as Positions));
  }

  describe(): Record<string, number> {
    if (this.#positions) return { density: densityOf(this.#positions, this.#weightCount), temperature: 0 };
    return { density: this.#density, temperature: this.#temperature };
  }

  #fix(): void {
    this.#positions ??= this.#options.choose(this.#saliency());
  }

  #mask(positions: Positions): Mask {
    const changes = [...positions].map(
      ([name, places]) => [name, gather(valuesOf(this.#changes, name), places)] as const,
    );
    return { positions, changes: new Map(changes), bits: this.#options.bits };
  }

  #saliency(): Values {
    const { saliency } = this.#options;
    const entries = this.tensors.map((name) => {
      return [
        name,
        saliencyOf(valuesOf(this.#changes, name), valuesOf(this.#fisher, name), saliency),
      ] as const;
    });
    return new Map(entries);
  }

  #gate(name: string, weights: Float32Array): void {
    const changes = valuesOf(this.#changes, name);
    const gates = this.#gates(name);
    for (let i = 0; i < weights.length; i++) {
      weights[i] = (weights[i] as number) + Math.fround((gates[i] as number) * (changes[i] as number));
    }
  }

  /** Gates are open until the first threshold is known. */
  #gates(name: string): Float32Array {
    const changes = valuesOf(this.#changes, name);
    const threshold = this.#thresholds.get(name) ?? 0;
    if (threshold === 0) return new Float32Array(changes.length).fill(1);
    const saliency = saliencyOf(changes, valuesOf(this.#fisher, name), this.#options.saliency);
    return saliency.map((s) => 1 / (1 + (threshold / s) ** (1 / this.#temperature)));
  }

  /**
   * The gate depends on the change too: with s = c·d^n, `d(m·d)/dd = m·(1 + (1 - m)·n / T)`. The factor is capped at
   * its value for T = 1, or hard gates would be thrown across their thresholds by a single step.
   */
  #gatedGradient(name: string, gradient: Float32Array): Float32Array {
    const power = this.#options.saliency === 'fisher' ? 2 : 1;
    const slope = power / Math.max(this.#temperature, 1);
    return this.#gates(name).map((gate, i) => gate * (1 + (1 - gate) * slope) * (gradient[i] as number));
  }
}

function maskedGradient(gradient: Float32Array, places: Uint32Array | undefined): Float32Array {
  const masked = new Float32Array(gradient.length);
  places?.forEach((place) => {
    masked[place] = gradient[place] as number;
  });
  return masked;
}
