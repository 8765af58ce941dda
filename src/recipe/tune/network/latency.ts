import * as tf from '@tensorflow/tfjs';
import { type Configuration, keyOf, type Value } from '../space.js';
import { createNetwork, type NetworkUse } from './create-network.js';
import { LayerCosts, type LayerUse, layersOf, type NetworkCost } from './layer-costs.js';
import { median } from './time-models.js';
import type { MeasuredTimes } from './times.js';

/** Predicts what networks take from what their layers take; each layer is measured once. */
export class Latency {
  readonly table: LayerCosts;
  readonly #use: NetworkUse;
  #scale: number;
  readonly #networks = new Map<string, { readonly layers: readonly LayerUse[]; readonly weights: number }>();

  /** @param known what an earlier run has measured */
  constructor(use: NetworkUse, known?: Pick<MeasuredTimes, 'layers' | 'scale'>) {
    this.#use = use;
    this.table = new LayerCosts(known?.layers);
    this.#scale = known?.scale ?? 1;
  }

  /** Measures the layers of some configurations that are not known yet, in turns. */
  async measure(configurations: readonly Configuration[]): Promise<void> {
    for (const each of configurations) {
      if (this.#networks.has(keyOf(each))) continue;
      const { model } = createNetwork(this.#use, each, { seed: 0 });
      this.#networks.set(keyOf(each), { layers: layersOf(model), weights: model.countParams() });
      model.dispose();
      await tf.nextFrame();
    }
    await this.table.measure(configurations.map((each) => this.#networkOf(each).layers));
  }

  /** @returns what a configuration is predicted to cost whose layers were measured */
  costOf(configuration: Configuration): NetworkCost {
    const { layers, weights } = this.#networkOf(configuration);
    const { milliseconds, ...cost } = this.table.sum(layers, weights);
    return { ...cost, milliseconds: this.#scale * milliseconds };
  }

  /**
   * Takes into account what is in no layer: calls, and caches that layers share. Predictions are multiplied
   * by the median relation of whole networks to sums.
   *
   * @param measured milliseconds of whole networks
   */
  calibrate(
    measured: readonly { readonly configuration: Configuration; readonly milliseconds: number }[],
  ): void {
    this.#scale *= median(
      measured.map((each) => each.milliseconds / this.costOf(each.configuration).milliseconds),
    );
  }

  /** What whole networks take in relation to the sums over their layers. */
  get scale(): number {
    return this.#scale;
  }

  #networkOf(configuration: Configuration) {
    const found = this.#networks.get(keyOf(configuration));
    if (found === undefined) throw new RangeError(`Cannot predict "${keyOf(configuration)}": not measured`);
    return found;
  }
}

/** A choice of a supernet: a width, or a branch. */
export interface SoftChoice {
  readonly name: string;
  readonly kind: 'gate' | 'pick';
  /** As the choice has them. */
  readonly values: readonly Value[];
}

/**
 * What a network takes as a function of expected widths and of probabilities of branches: a quadratic fitted
 * to sums over the table of layers. What a layer takes grows with the product of the widths before and after
 * it, so that a quadratic is all but exact, and its gradient is known.
 */
export class LatencySurface {
  readonly #choices: readonly SoftChoice[];
  readonly #constant: number;
  readonly #linear: readonly number[];
  /** Symmetric, row-major. */
  readonly #quadratic: readonly number[];

  constructor(
    choices: readonly SoftChoice[],
    samples: readonly { readonly configuration: Configuration; readonly milliseconds: number }[],
  ) {
    this.#choices = choices;
    const rows = samples.map(({ configuration }) => this.#featuresOf(configuration));
    const count = rows[0]?.length ?? 0;
    const terms = rows.map((row) => termsOf(row));
    const weights = leastSquares(
      terms,
      samples.map(({ milliseconds }) => milliseconds),
    );
    this.#constant = weights[0] as number;
    this.#linear = weights.slice(1, 1 + count);
    this.#quadratic = unpack(weights.slice(1 + count), count);
  }

  /** @returns milliseconds of a configuration */
  at(configuration: Configuration): number {
    const row = this.#featuresOf(configuration);
    return tf.tidy(() => this.#evaluate(tf.tensor1d(row)).dataSync()[0] as number);
  }

  /**
   * @param shares by choice: for a width the expected share of its largest value, of shape []; for a branch
   *   the probabilities, of shape [values]
   * @returns expected milliseconds
   */
  expected(shares: ReadonlyMap<string, tf.Tensor>): tf.Scalar {
    const features = this.#choices.map(({ name, kind }) => {
      const share = shares.get(name) as tf.Tensor;
      return kind === 'gate' ? tf.reshape(share, [1]) : tf.slice1d(share as tf.Tensor1D, 1, share.size - 1);
    });
    return this.#evaluate(tf.concat1d(features as tf.Tensor1D[]));
  }

  #evaluate(features: tf.Tensor1D): tf.Scalar {
    const count = features.size;
    const row = tf.reshape(features, [1, count]);
    const linear = tf.sum(tf.mul(features, tf.tensor1d([...this.#linear])));
    const product = tf.matMul(row, tf.tensor2d([...this.#quadratic], [count, count]));
    return tf.add(tf.add(linear, tf.sum(tf.mul(product, row))), this.#constant) as tf.Scalar;
  }

  #featuresOf(configuration: Configuration): number[] {
    return this.#choices.flatMap(({ name, kind, values }) => {
      const value = configuration[name] as Value;
      if (kind === 'gate') return [(value as number) / Math.max(...(values as number[]))];
      return values.slice(1).map((each) => Number(each === value));
    });
  }
}

/** @returns 1, the features, and their products */
function termsOf(row: readonly number[]): number[] {
  const products = row.flatMap((a, i) => row.slice(i).map((b) => a * b));
  return [1, ...row, ...products];
}

/** @returns the symmetric matrix of the products' weights */
function unpack(weights: readonly number[], count: number): number[] {
  const matrix = new Array<number>(count * count).fill(0);
  let next = 0;
  for (let i = 0; i < count; i++) {
    for (let j = i; j < count; j++) {
      const half = (weights[next++] as number) / 2;
      matrix[i * count + j] = (matrix[i * count + j] as number) + half;
      matrix[j * count + i] = (matrix[j * count + i] as number) + half;
    }
  }
  return matrix;
}

/** Keeps weights of terms finite that always occur together. */
const RIDGE = 1e-6;

/** Solves the normal equations by Gaussian elimination with pivots. */
function leastSquares(rows: readonly (readonly number[])[], values: readonly number[]): number[] {
  const size = rows[0]?.length ?? 0;
  const matrix = Array.from({ length: size }, (_, i) => {
    const line = Array.from({ length: size }, (_, j) => (i === j ? RIDGE : 0));
    return [...line, 0];
  });
  for (const [place, row] of rows.entries()) {
    for (const [i, line] of matrix.entries()) {
      const factor = row[i] as number;
      for (let j = 0; j < size; j++) line[j] = (line[j] as number) + factor * (row[j] as number);
      line[size] = (line[size] as number) + factor * (values[place] as number);
    }
  }
  return eliminate(matrix);
}

/** @param matrix square, with a last column for the right side; changed */
function eliminate(matrix: number[][]): number[] {
  const size = matrix.length;
  const at = (row: number, column: number): number => matrix[row]?.[column] as number;
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let row = column + 1; row < size; row++)
      if (Math.abs(at(row, column)) > Math.abs(at(pivot, column))) pivot = row;
    [matrix[column], matrix[pivot]] = [matrix[pivot] as number[], matrix[column] as number[]];
    for (let row = 0; row < size; row++) {
      if (row === column) continue;
      const factor = at(row, column) / at(column, column);
      const line = matrix[row] as number[];
      for (let each = column; each <= size; each++) line[each] = at(row, each) - factor * at(column, each);
    }
  }
  return matrix.map((_, row) => at(row, size) / at(row, row));
}
