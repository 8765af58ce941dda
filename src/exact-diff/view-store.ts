import { checkRange, type WeightStore } from '../model/index.js';
import { readAs, type TensorPair } from './cast.js';

/**
 * Shows the next model in the base's terms: its weights under the base's names, in the base's dtypes. It can be read only.
 *
 * @param next the next model; it stays the caller's to close
 * @param pairs every tensor of the base, in its order, with one of the next model
 */
export function openView(next: WeightStore, pairs: readonly TensorPair[]): WeightStore {
  const infos = new Map(pairs.map(({ base }) => [base.name, base]));
  const byName = new Map(pairs.map((pair) => [pair.base.name, pair]));
  return {
    tensors: pairs.map(({ base }) => base),
    readOnly: new Set(infos.keys()),
    async readInto(name, byteOffset, target) {
      checkRange(infos, { name, byteOffset, length: target.length });
      await readAs(next, byName.get(name) as TensorPair, { byteOffset, target });
    },
    async write(name) {
      throw new TypeError(`Cannot write tensor "${name}": it is a view of another model's`);
    },
    async flush() {},
    async close() {},
  };
}
