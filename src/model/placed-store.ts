import { NeuralDiffError } from './errors.js';
import type { ModelFiles } from './model-files.js';
import { checkRange, type WeightStore } from './store.js';
import type { TensorInfo } from './tensor.js';

/** A run of bytes of a file. */
export interface Extent {
  readonly path: string;
  readonly offset: number;
  readonly length: number;
}

/** A tensor and where its bytes lie, in order; they are as many as its shape and dtype ask for. */
export interface PlacedTensor extends TensorInfo {
  readonly extents: readonly Extent[];
  /** Its bytes, where the container has them in another form: they can be read only. */
  readonly fixed?: Uint8Array;
  /** Whether what its extents give comes of other bytes, so that it cannot be written. */
  readonly isReadOnly?: boolean;
}

/** The part of a tensor's range that one extent holds. */
interface Piece {
  readonly path: string;
  readonly offset: number;
  /** Where the piece lies in the range that was asked for. */
  readonly from: number;
  readonly to: number;
}

/**
 * Opens tensors that lie in files as plain runs of bytes, in any container. Writes go to the files in place.
 *
 * @param files the folder; closed with the store
 * @param tensors what a reader of the container found; checked against the files' sizes by that reader
 */
export function openPlacedStore(files: ModelFiles, tensors: readonly PlacedTensor[]): WeightStore {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  return {
    tensors: tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    readOnly: new Set(tensors.filter(isReadOnly).map(({ name }) => name)),
    async readInto(name, byteOffset, target) {
      const { length } = target;
      const { extents, fixed } = checkRange(byName, { name, byteOffset, length });
      if (fixed) target.set(fixed.subarray(byteOffset, byteOffset + length));
      else
        for (const piece of cutAtExtents(extents, byteOffset, length)) {
          await files.readInto(piece.path, piece.offset, target.subarray(piece.from, piece.to));
        }
    },
    async write(name, byteOffset, bytes) {
      const tensor = checkRange(byName, { name, byteOffset, length: bytes.length });
      if (isReadOnly(tensor) && bytes.length > 0) throw readOnly(name);
      for (const piece of cutAtExtents(tensor.extents, byteOffset, bytes.length)) {
        await files.write(piece.path, piece.offset, bytes.subarray(piece.from, piece.to));
      }
    },
    flush: () => files.flush(),
    close: () => files.close(),
  };
}

function isReadOnly({ fixed, isReadOnly = false }: PlacedTensor): boolean {
  return fixed !== undefined || isReadOnly;
}

function readOnly(name: string): NeuralDiffError {
  const message = `Cannot write tensor "${name}": its container holds it in a form that cannot be changed in place`;
  return new NeuralDiffError('unsupported-model', message);
}

function cutAtExtents(extents: readonly Extent[], start: number, length: number): Piece[] {
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
