import type * as tf from '@tensorflow/tfjs';
import { checkRange, type WeightStore } from '../model/store.js';
import type { TensorInfo } from '../model/tensor.js';
import { isGraphModel } from './graph/graph-nodes.js';
import { patchableWeights } from './graph/graph-weights.js';
import { bytesOf, type LiveMemory, liveMemory, mirrorWeights } from './live-memory.js';
import { assignValues, infoOf, type NamedWeight, namedWeights } from './weights.js';

/** Reads and writes the bytes of a live model's weights. */
interface LiveBytes {
  /** Resolves when the memory is ready; await it first. */
  ready(): Promise<unknown>;
  /** @returns a view, valid until the next `await` */
  borrow(weight: NamedWeight): Uint8Array;
  /** Makes the backend use what was written to a weight. */
  refresh(weight: NamedWeight): void;
}

/**
 * Opens a live model as a store. `flush` makes all writes take effect at once, between two predictions.
 *
 * On the cpu and wasm backends reads and writes access the memory that predictions use, if a small product
 * confirms that this works. On others, such as webgl and webgpu, they access copies of the weights, and
 * `flush` assigns the tensors that were written, or all on the first flush if `weights` were given.
 * Fingerprints are of these copies, regardless of how the backend stores them. Copies are made on first use;
 * after changing weights in other ways, open the model again.
 *
 * @param model a LayersModel or GraphModel whose weights are on the active backend; the constants of a
 *   GraphModel become variables
 * @returns the store; `applyPayload` on it patches the model. On first use it throws `unsupported-model` if
 *   the backend does not return the bits it was given and `weights` are missing, and `wrong-layout` for
 *   `weights` of another model
 * @throws NeuralDiffError `unsupported-model` for weights without a place in the format, and for a GraphModel
 *   whose files hold quantised weights
 *
 * @example
 * await useBackend('wasm');
 * const model = await loadModel(await openFolder('models/v1'));
 * // The next prediction uses the new weights.
 * await applyPayload(openLiveModel(model), await readPayload('v2.ndiff'));
 */
export function openLiveModel(
  model: tf.LayersModel | tf.GraphModel,
  options: { readonly weights?: WeightStore } = {},
): WeightStore {
  const named = isGraphModel(model) ? patchableWeights(model) : namedWeights(model);
  const weights = new Map(named.map((weight) => [weight.name, { ...infoOf(weight), weight }]));
  const memory = liveMemory();
  const live = memory ? inMemory(memory) : inMirrors(named, options);
  const written = new Set<NamedWeight>();
  // The given weights may be another version than the running one, so the first flush assigns all of them.
  const handedOver = memory || options.weights === undefined ? [] : [...named];
  const locate = (range: { name: string; byteOffset: number; length: number }) => {
    const { weight } = checkRange(weights, range);
    const bytes = live.borrow(weight).subarray(range.byteOffset, range.byteOffset + range.length);
    return { weight, bytes };
  };
  return {
    tensors: [...weights.values()].map(({ name, dtype, shape }): TensorInfo => ({ name, dtype, shape })),
    async readInto(name, byteOffset, target) {
      await live.ready();
      target.set(locate({ name, byteOffset, length: target.length }).bytes);
    },
    async write(name, byteOffset, bytes) {
      await live.ready();
      const place = locate({ name, byteOffset, length: bytes.length });
      place.bytes.set(bytes);
      written.add(place.weight);
      for (const weight of handedOver.splice(0)) written.add(weight);
    },
    async flush() {
      for (const weight of written) live.refresh(weight);
      written.clear();
    },
    async close() {},
  };
}

function inMemory(memory: LiveMemory): LiveBytes {
  return {
    ready: async () => undefined,
    borrow: ({ variable }) => memory.borrowBytes(variable),
    refresh: ({ variable }) => memory.refresh(variable),
  };
}

function inMirrors(named: readonly NamedWeight[], { weights }: { weights?: WeightStore }): LiveBytes {
  type Mirrors = Awaited<ReturnType<typeof mirrorWeights>>;
  let mirrors: Mirrors = new Map();
  let opening: Promise<void> | undefined;
  const open = async (): Promise<void> => {
    mirrors = await mirrorWeights(named, weights);
  };
  return {
    ready() {
      opening ??= open().catch((error) => {
        opening = undefined;
        throw error;
      });
      return opening;
    },
    borrow: ({ name }) => bytesOf(mirrors.get(name) as Float32Array),
    refresh: ({ name, variable }) => assignValues(variable, mirrors.get(name) as Float32Array),
  };
}
