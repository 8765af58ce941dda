import * as tf from '@tensorflow/tfjs';
import {
  countMultiplyAdds,
  type ShapedLayer,
  shapedLayers,
  sizeOf,
} from '../../../tfjs/count-multiply-adds.js';
import { measureInTurns } from './time-models.js';
import type { MeasuredTimes } from './times.js';

/** One use of a layer in a network. */
export interface LayerUse {
  /** Equal for layers that compute the same: class, settings and shapes of the inputs. */
  readonly key: string;
  readonly layer: string;
  /** Shapes of its inputs for one example. */
  readonly inputs: readonly (readonly number[])[];
  /** Multiplications that are added up, for one example. */
  readonly multiplyAdds: number;
  /** Numbers of its inputs and outputs, for one example. */
  readonly numbers: number;
  /** Makes such a layer. */
  readonly create: () => tf.layers.Layer;
}

/** What a network costs. */
export interface NetworkCost {
  /** Sum of what its layers take. */
  readonly milliseconds: number;
  readonly multiplyAdds: number;
  readonly weights: number;
  /** Of weights, and of inputs and outputs of the layer that has most, as float32. */
  readonly memoryBytes: number;
}

/** Settings that change no cost. */
const COSTLESS = /^(name|trainable|dtype|batchInputShape|.*Initializer|.*Regularizer|.*Constraint)$/;

/**
 * Lists the layers of a network, once for each use.
 *
 * @throws NeuralDiffError `unsupported-model` for inputs of a layer whose size is not fixed
 */
export function layersOf(model: tf.LayersModel): LayerUse[] {
  return shapedLayers(model).map(layerUse);
}

function layerUse(shaped: ShapedLayer): LayerUse {
  const { layer, inputs, outputs } = shaped;
  const config = layer.getConfig();
  const settings = Object.entries(config).filter(([name]) => !COSTLESS.test(name));
  const name = layer.getClassName();
  const Layer = layer.constructor as unknown as {
    fromConfig(cls: unknown, config: unknown): tf.layers.Layer;
  };
  return {
    key: JSON.stringify([name, inputs, settings]),
    layer: name,
    inputs,
    multiplyAdds: countMultiplyAdds(shaped),
    numbers: [...inputs, ...outputs].reduce((sum, shape) => sum + sizeOf(shape), 0),
    create: () => Layer.fromConfig(layer.constructor, { ...config, name: undefined }),
  };
}

/**
 * What layers take on the active backend, one example at a time. A network takes the sum of its layers: H.
 * Cai et al., "ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware" (2019).
 */
export class LayerCosts {
  readonly #rows: Map<string, MeasuredTimes['layers'][number]>;

  /** @param known layers that were measured before */
  constructor(known: MeasuredTimes['layers'] = []) {
    this.#rows = new Map(known.map((row) => [row.key, row]));
  }

  /** @returns the table: the layers in the order in which they were measured */
  get rows(): MeasuredTimes['layers'] {
    return [...this.#rows.values()];
  }

  /** Measures the layers of some networks that are not in the table yet, in turns. */
  async measure(networks: readonly (readonly LayerUse[])[]): Promise<void> {
    const fresh = new Map(networks.flat().map((use) => [use.key, use]));
    for (const key of this.#rows.keys()) fresh.delete(key);
    const uses = [...fresh.values()];
    const probes = uses.map(createProbe);
    const times = await measureInTurns(probes.map(({ run }) => run));
    for (const [i, { key, layer }] of uses.entries())
      this.#rows.set(key, { layer, key, milliseconds: times[i] as number });
    for (const { dispose } of probes) dispose();
  }

  /** @returns what a network costs whose layers were measured */
  sum(layers: readonly LayerUse[], weights: number): NetworkCost {
    const milliseconds = layers.reduce((sum, { key }) => sum + this.#of(key), 0);
    const multiplyAdds = layers.reduce((sum, use) => sum + use.multiplyAdds, 0);
    const memoryBytes = 4 * (weights + Math.max(0, ...layers.map(({ numbers }) => numbers)));
    return { milliseconds, multiplyAdds, weights, memoryBytes };
  }

  #of(key: string): number {
    const found = this.#rows.get(key);
    if (found === undefined) throw new RangeError(`Cannot add up: layer ${key} was not measured`);
    return found.milliseconds;
  }
}

/** Something to run again and again. */
interface Probe {
  run(): void;
  dispose(): void;
}

/** Inputs are between 0 and 1, which any layer takes: an embedding looks up its first row. */
function createProbe({ create, inputs }: LayerUse): Probe {
  const layer = create();
  const tensors = inputs.map((shape) => tf.randomUniform([1, ...shape], 0, 1, 'float32', 1));
  const xs = tensors.length === 1 ? (tensors[0] as tf.Tensor) : tensors;
  const run = (): void => void tf.tidy(() => void layer.apply(xs));
  run();
  return {
    run,
    dispose() {
      layer.dispose();
      tf.dispose(tensors);
    },
  };
}
