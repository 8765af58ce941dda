import { byteLength, type WeightStore } from 'neural-diff';

/**
 * Writes all weights of one store over those of another one. They are read first: nothing but the writing itself lies
 * between the first and the last write, so that no prediction of a live model falls in between.
 *
 * @param to a store with tensors of the same names, dtypes and shapes
 */
export async function copyStore(from: WeightStore, to: WeightStore): Promise<void> {
  const contents: [string, Uint8Array][] = [];
  for (const info of from.tensors) {
    const bytes = new Uint8Array(byteLength(info));
    await from.readInto(info.name, 0, bytes);
    contents.push([info.name, bytes]);
  }
  for (const [name, bytes] of contents) await to.write(name, 0, bytes);
  await to.flush();
}
