import type * as tf from '@tensorflow/tfjs';
import { checkRange, type WeightStore } from '../model/store.js';
import type { TensorInfo } from '../model/tensor.js';
import { bytesOf, type LiveMemory, liveMemory, mirrorWeights } from './live-memory.js';
import { assignValues, infoOf, type NamedWeight, namedWeights } from './weights.js';

/** Where the bytes of a live model's weights are read and written. */
interface LiveBytes {
  /** To be waited for before anything else. */
  ready(): Promise<unknown>;
  /** @returns a view, valid until whoever borrows it waits */
  borrow(weight: NamedWeight): Uint8Array;
  /** Makes what was written to a weight count. */
  refresh(weight: NamedWeight): void;
}

/**
 * Opens a live model as a store. `flush` makes what was written count, all at once between two predictions.
 *
 * On the cpu and wasm backends reads and writes go to the very memory that predictions use, if a small product shows that they
 * do. On all others, as webgl and webgpu, they go to copies of the weights in memory, and `flush` assigns the
 * tensors that were written, or all where `weights` were given, the first time: fingerprints are of these copies, whatever the backend makes of them. They are read at the
 * first use; whoever changes the weights in other ways opens the model anew.
 *
 * @param model a LayersModel whose weights are on the active backend
 * @returns the store; `applyPayload` on it patches the model. It throws `unsupported-model`, when first used, where the backend gives
 *   back other bits than it was given and `weights` are not at hand, and `wrong-layout` for `weights` of another model
 * @throws NeuralDiffError `unsupported-model` for weights without a place in the format
 */
export function openLiveModel(
  model: tf.LayersModel,
  options: { readonly weights?: WeightStore } = {},
): WeightStore {
  const named = namedWeights(model);
  const weights = new Map(named.map((weight) => [weight.name, { ...infoOf(weight), weight }]));
  const memory = liveMemory();
  const live = memory ? inMemory(memory) : inMirrors(named, options);
  const written = new Set<NamedWeight>();
  // What was handed over may be another version than the one that runs: with the first write all of it counts, or the model would be a mixture.
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
