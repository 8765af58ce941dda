import type { ModelFiles } from '../model/model-files.js';
import type { ModelParts, WeightStore } from '../model/store.js';
import { byteLength, type TensorInfo } from '../model/tensor.js';
import { frameName } from '../payload/files-record.js';
import { MAX_STRUCTURE_BYTES } from '../payload/limits.js';

/** A tensor of new files: a range of their bytes, one file after the other. */
export interface FramePlace extends TensorInfo {
  readonly start: number;
  /** Its name in the model; absent for bytes that are no tensor of it. */
  readonly original?: string;
}

/** Files one after the other, as one sequence of bytes. */
export class ByteStream {
  readonly #files: ModelFiles;
  readonly #ends: { readonly path: string; readonly start: number; readonly end: number }[] = [];
  #length = 0;

  private constructor(files: ModelFiles) {
    this.#files = files;
  }

  static async open(files: ModelFiles, paths: readonly string[]): Promise<ByteStream> {
    const stream = new ByteStream(files);
    for (const path of paths) {
      const start = stream.#length;
      stream.#length += await files.size(path);
      stream.#ends.push({ path, start, end: stream.#length });
    }
    return stream;
  }

  get length(): number {
    return this.#length;
  }

  get files(): readonly { readonly path: string; readonly start: number; readonly end: number }[] {
    return this.#ends;
  }

  async readInto(offset: number, target: Uint8Array): Promise<void> {
    const stop = offset + target.length;
    for (const { path, start, end } of this.#ends) {
      const [from, to] = [Math.max(start, offset), Math.min(end, stop)];
      if (from < to)
        await this.#files.readInto(path, from - start, target.subarray(from - offset, to - offset));
    }
  }
}

/** Bytes that belong to no tensor and take more than this may become a tensor of their own. */
const LARGE_GAP = 2 ** 16;

/** Longest tensor that is made of such bytes. */
const PIECE_BYTES = 2 ** 30;

/**
 * Finds the tensors of new files: those of the model, in the order of their bytes. Where too many bytes
 * belong to none, large runs of them become tensors of uint8.
 */
export function placeTensors(stream: ByteStream, { places }: Pick<ModelParts, 'places'>): FramePlace[] {
  const starts = new Map(stream.files.map(({ path, start }) => [path, start]));
  const found = places.flatMap(({ name, dtype, shape, extents }): Omit<FramePlace, 'name'>[] => {
    const ranges = extents.map(({ path, offset, length }) => ({
      start: (starts.get(path) as number) + offset,
      length,
    }));
    const isWhole = ranges.every(
      ({ start, length }, i) => (ranges[i + 1]?.start ?? start + length) === start + length,
    );
    const [first] = ranges;
    if (first === undefined) return [];
    if (isWhole) return [{ dtype, shape, start: first.start, original: name }];
    return ranges.map(({ start, length }) => ({ dtype: 'uint8', shape: [length], start }));
  });
  const ordered = found.sort((a, b) => a.start - b.start);
  const all = isSmall(stream, ordered) ? ordered : withLargeGaps(stream, ordered);
  return all.map((place, index) => ({ ...place, name: frameName(index) }));
}

const lengthOf = (place: Omit<FramePlace, 'name'>): number => byteLength({ ...place, name: '' });

function isSmall(stream: ByteStream, places: readonly Omit<FramePlace, 'name'>[]): boolean {
  return stream.length - places.reduce((sum, place) => sum + lengthOf(place), 0) <= MAX_STRUCTURE_BYTES;
}

function withLargeGaps(
  stream: ByteStream,
  places: readonly Omit<FramePlace, 'name'>[],
): Omit<FramePlace, 'name'>[] {
  const all: Omit<FramePlace, 'name'>[] = [];
  let at = 0;
  const fill = (end: number): void => {
    if (end - at > LARGE_GAP)
      for (let start = at; start < end; start += PIECE_BYTES)
        all.push({ dtype: 'uint8', shape: [Math.min(PIECE_BYTES, end - start)], start });
  };
  for (const place of places) {
    fill(place.start);
    all.push(place);
    at = place.start + lengthOf(place);
  }
  fill(stream.length);
  return all;
}

/** Reads the bytes that belong to no tensor. */
export async function readStructureOf(
  stream: ByteStream,
  places: readonly FramePlace[],
): Promise<Uint8Array> {
  const covered = places.reduce((sum, place) => sum + byteLength(place), 0);
  const structure = new Uint8Array(stream.length - covered);
  let [at, filled] = [0, 0];
  for (const { start, end } of [...places.map(rangeOf), { start: stream.length, end: stream.length }]) {
    const part = structure.subarray(filled, filled + start - at);
    await stream.readInto(at, part);
    filled += part.length;
    at = end;
  }
  return structure;
}

function rangeOf(place: FramePlace): { start: number; end: number } {
  return { start: place.start, end: place.start + byteLength(place) };
}

/** Opens the tensors of new files as a model. */
export function openPlaces(stream: ByteStream, places: readonly FramePlace[]): WeightStore {
  const byName = new Map(places.map((place) => [place.name, place]));
  return {
    tensors: places.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    readInto: (name, byteOffset, target) =>
      stream.readInto((byName.get(name) as FramePlace).start + byteOffset, target),
    write: () => Promise.reject(new TypeError('Cannot write to the tensors of files')),
    async flush() {},
    async close() {},
  };
}
