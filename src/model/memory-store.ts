import { checkRange, type WeightStore } from './store.js';
import { checkModel, type Model } from './tensor.js';

/**
 * Opens a model in memory as a store; writes go to the model's own bytes.
 *
 * @param model the model; its byte arrays may be views of larger buffers
 * @returns the store
 * @throws NeuralDiffError `bad-model` when a tensor's bytes do not fit its shape
 */
export function openMemoryStore(model: Model): WeightStore {
  checkModel(model);
  const byName = new Map(model.tensors.map((tensor) => [tensor.name, tensor]));
  return {
    tensors: model.tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    async readInto(name, byteOffset, target) {
      const { bytes } = checkRange(byName, { name, byteOffset, length: target.length });
      target.set(bytes.subarray(byteOffset, byteOffset + target.length));
    },
    async write(name, byteOffset, bytes) {
      checkRange(byName, { name, byteOffset, length: bytes.length }).bytes.set(bytes, byteOffset);
    },
    async flush() {},
    async close() {},
  };
}
