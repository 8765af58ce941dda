import { copyModel, type WeightStore } from 'neural-diff';

/**
 * Writes all weights of one store over those of another one. They are read first: nothing but the writing
 * itself lies between the first and the last write, so that no prediction of a live model falls in between.
 *
 * @param to a store with tensors of the same names, dtypes and shapes
 */
export async function copyStore(from: WeightStore, to: WeightStore): Promise<void> {
  const { tensors } = await copyModel(from);
  for (const { name, bytes } of tensors) await to.write(name, 0, bytes);
  await to.flush();
}
