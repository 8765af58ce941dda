import { DTYPES, elementCount, type TensorInfo } from '../model/index.js';

/** Elements of a tensor of which all are tried, and the most of a piece of others. */
const PIECE_ELEMENTS = 2 ** 17;

/** Pieces of a tensor that is not tried as a whole, and changes in a piece, about: more tell no more, and coding them takes time. */
const PIECES = 8;
const PIECE_CHANGES = 2 ** 15;

/** Whole rows of a tensor, as a tensor of their own; where they lie in it, in bytes. */
export interface Piece {
  readonly info: TensorInfo;
  readonly start: number;
  readonly end: number;
}

/**
 * @param count elements that differ
 * @returns pieces of a tensor from its first to its last rows, to try ways of coding on; all of it when it is small
 */
export function piecesOf(info: TensorInfo, count: number): Piece[] {
  const elements = elementCount(info);
  const enough = Math.max(PIECE_CHANGES, Math.floor((PIECE_CHANGES * elements) / count));
  const { shape, rows, inner } = shorten(
    info.shape,
    elements <= PIECE_ELEMENTS ? PIECE_ELEMENTS : Math.min(PIECE_ELEMENTS, enough),
  );
  const last = elements / inner - rows;
  const pieces = Math.min(PIECES, 1 + Math.ceil(last / rows));
  const size = inner * DTYPES[info.dtype].bytes;
  return Array.from({ length: pieces }, (_, i) => {
    const row = pieces === 1 ? 0 : Math.floor((last * i) / (pieces - 1));
    return { info: { ...info, shape }, start: row * size, end: (row + rows) * size };
  });
}

/** A piece's shape: as many dimensions as the tensor's, the first ones shortened; its rows, and elements of one. */
function shorten(
  shape: readonly number[],
  most: number,
): { shape: readonly number[]; rows: number; inner: number } {
  const innerOf = (axis: number): number =>
    shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  let axis = 0;
  while (innerOf(axis) > most) axis++;
  const inner = innerOf(axis);
  const rows = Math.min(shape[axis] ?? 1, Math.floor(most / inner));
  return { shape: shape.map((size, i) => (i < axis ? 1 : i === axis ? rows : size)), rows, inner };
}
