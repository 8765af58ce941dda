import { DTYPES, elementCount, type TensorInfo } from '../model/index.js';
import type { Sample } from '../payload/encode.js';
import type { PairReader } from './borrow-pairs.js';
import { type Differences, differences, roomFor } from './differences.js';

/** Elements of a piece, and pieces: what trials of ways to code a tensor are made on. */
const PIECE_ELEMENTS = 2 ** 17;
const PIECES = 8;

/** Some of a tensor's elements: what changes among them, and what they become. */
export interface TensorSample extends Sample {
  readonly bytes: Uint8Array;
}

/** Takes samples of one tensor after the other, in the same memory: arrays made for each would fill it before they are collected. */
export class Sampler {
  readonly #reader: PairReader;
  readonly #rooms: { differences: Differences; bytes: Uint8Array }[] = [];

  constructor(reader: PairReader) {
    this.#reader = reader;
  }

  /** @returns whole rows of a tensor from its first to its last ones, valid until the next call; all of it when it is small */
  async borrow(info: TensorInfo): Promise<TensorSample[]> {
    const { shape, rows, inner } = pieceOf(info);
    const last = elementCount(info) / inner - rows;
    const pieces = Math.min(PIECES, 1 + Math.ceil(last / rows));
    const size = inner * DTYPES[info.dtype].bytes;
    const samples: TensorSample[] = [];
    for (let i = 0; i < pieces; i++) {
      const row = pieces === 1 ? 0 : Math.floor((last * i) / (pieces - 1));
      const run = { start: row * size, end: (row + rows) * size };
      const { before, after } = await this.#reader.borrow(info, run);
      const room = this.#roomFor(i, { elements: rows * inner, bytes: after.length });
      const values = differences(info, { before, after, first: 0 }, room.differences);
      room.bytes.set(after);
      samples.push({ info: { ...info, shape }, values, bytes: room.bytes.subarray(0, after.length) });
    }
    return samples;
  }

  #roomFor(piece: number, needed: { elements: number; bytes: number }) {
    const known = this.#rooms[piece];
    const isLarge = known && known.differences.levels.length >= needed.elements;
    if (isLarge && known.bytes.length >= needed.bytes) return known;
    const room = { differences: roomFor(needed.elements), bytes: new Uint8Array(needed.bytes) };
    this.#rooms[piece] = room;
    return room;
  }
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
