import { DTYPES, elementCount, type TensorInfo } from '../model/index.js';
import type { Sample } from '../payload/encode.js';
import type { PairReader } from './borrow-pairs.js';
import { differences } from './differences.js';

/** Elements of a piece, and pieces: what trials of ways to code a tensor are made on. */
const PIECE_ELEMENTS = 2 ** 17;
const PIECES = 8;

/** Some of a tensor's elements: what changes among them, and what they become. */
export interface TensorSample extends Sample {
  readonly bytes: Uint8Array;
}

/** @returns whole rows of a tensor from its first to its last ones; all of it when it is small */
export async function takeSamples(reader: PairReader, info: TensorInfo): Promise<TensorSample[]> {
  const { shape, rows, inner } = pieceOf(info);
  const last = elementCount(info) / inner - rows;
  const pieces = Math.min(PIECES, 1 + Math.ceil(last / rows));
  const samples: TensorSample[] = [];
  for (let i = 0; i < pieces; i++) {
    const row = pieces === 1 ? 0 : Math.floor((last * i) / (pieces - 1));
    const size = inner * DTYPES[info.dtype].bytes;
    const { before, after } = await reader.borrow(info, { start: row * size, end: (row + rows) * size });
    const values = differences(info, { before, after, first: 0 });
    samples.push({ info: { ...info, shape }, values, bytes: after.slice() });
  }
  return samples;
}

/** A piece's shape: as many dimensions as the tensor's, the first ones shortened; its rows, and elements of one. */
function pieceOf({ shape }: TensorInfo): { shape: number[]; rows: number; inner: number } {
  const innerOf = (axis: number): number =>
    shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  let axis = 0;
  while (innerOf(axis) > PIECE_ELEMENTS) axis++;
  const inner = innerOf(axis);
  const rows = Math.min(shape[axis] ?? 1, Math.floor(PIECE_ELEMENTS / inner));
  const shortened = shape.map((size, i) => (i < axis ? 1 : i === axis ? rows : size));
  return { shape: shortened, rows, inner };
}
