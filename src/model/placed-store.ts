import { NeuralDiffError } from './errors.js';
import type { ModelFiles } from './model-files.js';
import { ReadAhead } from './read-ahead.js';
import { checkRange, type WeightStore } from './store.js';
import { checkNotEmpty, type TensorInfo } from './tensor.js';

/** A byte range of a file. */
export interface Extent {
  readonly path: string;
  readonly offset: number;
  readonly length: number;
}

/** A tensor and the byte ranges that hold it, in order. */
export interface PlacedTensor extends TensorInfo {
  /** Without `fixed`, their total length matches the shape and dtype. */
  readonly extents: readonly Extent[];
  /** The tensor's bytes, where the extents hold them in another form; the tensor is then read-only. */
  readonly fixed?: Uint8Array;
  /**
   * Whether the extents are derived from other bytes (decompressed, for example), so that they cannot be
   * written.
   */
  readonly isReadOnly?: boolean;
}

/** A store that knows the byte ranges of its tensors. */
export interface PlacedStore extends WeightStore {
  readonly placed: readonly PlacedTensor[];
}

/** The part of a requested range that one extent holds. */
interface Piece {
  readonly path: string;
  readonly offset: number;
  /** Bounds within the requested range. */
  readonly from: number;
  readonly to: number;
}

/**
 * Opens tensors stored as plain byte ranges of files, in any container. Writes go to the files in place.
 *
 * @param files the folder; closed with the store
 * @param tensors the tensors' locations; the container's reader has checked them against the files' sizes
 * @throws NeuralDiffError `empty-model` without tensors
 */
export function openPlacedStore(files: ModelFiles, tensors: readonly PlacedTensor[]): PlacedStore {
  checkNotEmpty(tensors);
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const ahead = new ReadAhead(files, endsOf(tensors));
  return {
    tensors: tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    placed: tensors,
    readOnly: new Set(tensors.filter(isReadOnly).map(({ name }) => name)),
    async readInto(name, byteOffset, target) {
      const { length } = target;
      const { extents, fixed } = checkRange(byName, { name, byteOffset, length });
      if (fixed) target.set(fixed.subarray(byteOffset, byteOffset + length));
      else
        for (const piece of splitByExtents(extents, byteOffset, length)) {
          const reading = ahead.read(piece.path, piece.offset, target.subarray(piece.from, piece.to));
          if (reading) await reading;
        }
    },
    async reserve({ bytes, runs }) {
      // Where a tensor continues in another file, a run is two.
      const joints = tensors.reduce((sum, { extents }) => sum + Math.max(0, extents.length - 1), 0);
      await files.reserve?.({ bytes, runs: runs + joints });
    },
    async write(name, byteOffset, bytes) {
      const tensor = checkRange(byName, { name, byteOffset, length: bytes.length });
      if (isReadOnly(tensor) && bytes.length > 0) throw readOnlyTensor(name);
      for (const piece of splitByExtents(tensor.extents, byteOffset, bytes.length)) {
        ahead.forget(piece.path, piece.offset, piece.to - piece.from);
        await files.write(piece.path, piece.offset, bytes.subarray(piece.from, piece.to));
      }
    },
    flush() {
      ahead.clear();
      return files.flush();
    },
    close: () => files.close(),
  };
}

/** @returns the offset after the last byte of the tensors in each file */
function endsOf(tensors: readonly PlacedTensor[]): ReadonlyMap<string, number> {
  const ends = new Map<string, number>();
  for (const { extents } of tensors)
    for (const { path, offset, length } of extents)
      ends.set(path, Math.max(ends.get(path) ?? 0, offset + length));
  return ends;
}

function isReadOnly({ fixed, isReadOnly = false }: PlacedTensor): boolean {
  return fixed !== undefined || isReadOnly;
}

function readOnlyTensor(name: string): NeuralDiffError {
  const message = `Cannot write tensor "${name}": its container cannot change it in place`;
  return new NeuralDiffError('unsupported-model', message);
}

function splitByExtents(extents: readonly Extent[], start: number, length: number): Piece[] {
  const pieces: Piece[] = [];
  let before = 0;
  for (const { path, offset, length: held } of extents) {
    const from = Math.max(start, before);
    const to = Math.min(start + length, before + held);
    if (from < to) pieces.push({ path, offset: offset + from - before, from: from - start, to: to - start });
    before += held;
  }
  return pieces;
}
