import { concatBytes, hex } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { sha256 } from '../model/fingerprint.js';
import { CHUNK_BYTES } from '../model/limits.js';
import type { ModelFiles } from '../model/model-files.js';
import type { PlacedTensor } from '../model/placed-store.js';
import type { ModelParts, Outside, WeightStore } from '../model/store.js';
import { compareNames } from '../model/tensor.js';
import { encodeUtf8 } from '../model/text.js';

/** A byte range of a file; `end` is exclusive. */
export interface FileRange {
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

/**
 * Digests the bytes of a range that belong to no tensor, in their order.
 *
 * @param tensors tensors whose extents do not overlap each other
 * @returns the number of bytes, and SHA-256 of the SHA-256 of each MiB of them
 */
export async function digestGaps(
  files: ModelFiles,
  range: FileRange,
  tensors: readonly PlacedTensor[],
): Promise<{ bytes: number; digest: string }> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  const digests: Uint8Array[] = [];
  let [filled, bytes] = [0, 0];
  const close = async (): Promise<void> => {
    digests.push(await sha256(buffer.subarray(0, filled)));
    filled = 0;
  };
  for (const { start, end } of gapsOf(range, tensors)) {
    bytes += end - start;
    for (let at = start; at < end; ) {
      const length = Math.min(end - at, CHUNK_BYTES - filled);
      await files.readInto(range.path, at, buffer.subarray(filled, filled + length));
      at += length;
      filled += length;
      if (filled === CHUNK_BYTES) await close();
    }
  }
  await close();
  return { bytes, digest: hex(await sha256(Uint8Array.from(digests.flatMap((each) => [...each])))) };
}

/** Lists the byte ranges of a range that belong to no tensor, in order. */
function* gapsOf(
  { path, start, end }: FileRange,
  tensors: readonly Pick<PlacedTensor, 'extents'>[],
): Generator<{ start: number; end: number }> {
  const held = tensors.flatMap(({ extents }) => extents.filter((extent) => extent.path === path));
  let at = start;
  for (const { offset, length } of held.sort((a, b) => a.offset - b.offset)) {
    if (offset > at) yield { start: at, end: offset };
    at = offset + length;
  }
  if (end > at) yield { start: at, end };
}

/**
 * Digests parsed JSON, with the keys of each object in order.
 *
 * @param path the file's name for errors
 * @throws NeuralDiffError `bad-model` for values that are nested too deeply
 */
export async function digestJson(value: unknown, path: string): Promise<string> {
  try {
    const text = JSON.stringify(value, (_, each) => (isObject(each) ? withSortedKeys(each) : each)) ?? '';
    return hex(await sha256(encodeUtf8(text)));
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new NeuralDiffError('bad-model', `Cannot read "${path}": JSON nested too deeply`, { cause });
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function withSortedKeys(value: object): object {
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** How two models compare outside their tensors; `unknown` for containers of different formats. */
export type OutsideComparison = 'equal' | 'different' | 'unknown';

/**
 * Compares what two models hold besides tensors.
 *
 * @throws NeuralDiffError any error of the stores
 */
export async function compareOutside(base: WeightStore, next: WeightStore): Promise<OutsideComparison> {
  const [left, right]: (Outside | undefined)[] = [await base.outside?.(), await next.outside?.()];
  if (left === undefined || right === undefined || left.format !== right.format) return 'unknown';
  return left.digest === right.digest ? 'equal' : 'different';
}

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

/** Reads the bytes that belong to no tensor: of the main file, then of the others in the order of names. */
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
