import { concatBytes } from '../model/bytes.js';
import type { ModelFiles } from '../model/model-files.js';
import type { PlacedTensor } from '../model/placed-store.js';
import type { ModelParts } from '../model/store.js';
import { compareNames } from '../model/tensor.js';
import { gapsOf } from './outside.js';

/**
 * Describes the files of a model.
 *
 * @param paths the main file first, then all others that were looked at to open the model
 * @param placed all tensors of the model
 */
export function partsOf(
  files: ModelFiles,
  paths: readonly string[],
  placed: readonly PlacedTensor[],
): ModelParts {
  const known = new Set(paths);
  const places = placed
    .filter(({ fixed, extents }) => fixed === undefined && extents.every(({ path }) => known.has(path)))
    .map(({ name, dtype, shape, extents }) => ({
      ...{ name, dtype, shape },
      extents: extents.filter(({ length }) => length > 0),
    }));
  return { paths, places, structure: (limit) => readStructure(files, { paths, places }, limit) };
}

/** Reads the bytes that belong to no tensor: of the main file, then of the others in the order of their names. */
async function readStructure(
  files: ModelFiles,
  { paths, places }: Pick<ModelParts, 'paths' | 'places'>,
  limit: number,
): Promise<Uint8Array | undefined> {
  const [main, ...others] = paths as [string, ...string[]];
  const parts: Uint8Array[] = [];
  let left = limit;
  for (const path of [main, ...others.sort(compareNames)]) {
    for (const { start, end } of gapsOf({ path, start: 0, end: await files.size(path) }, places)) {
      left -= end - start;
      if (left < 0) return undefined;
      const part = new Uint8Array(end - start);
      await files.readInto(path, start, part);
      parts.push(part);
    }
  }
  return concatBytes(parts);
}
