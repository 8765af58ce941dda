import { NeuralDiffError, type PlacedTensor } from '../model/index.js';

/**
 * Bytes that two tensors share would change with both.
 *
 * @throws NeuralDiffError `bad-model` where tensors overlap in a file
 */
export function checkApart(tensors: readonly PlacedTensor[]): void {
  const extents = tensors.flatMap(({ name, extents }) => extents.map((extent) => ({ name, ...extent })));
  extents.sort((a, b) => a.offset - b.offset || a.length - b.length);
  const ends = new Map<string, number>();
  for (const { name, path, offset, length } of extents) {
    if (offset < (ends.get(path) ?? 0)) {
      const message = `Cannot read "${path}": tensor "${name}" overlaps another`;
      throw new NeuralDiffError('bad-model', message);
    }
    ends.set(path, offset + length);
  }
}
