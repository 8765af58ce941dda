import type { Hdf5File } from './hdf5-file.js';

const HEAD_BYTES = 142;

/** Bits of the number of a thing in a heap that tell how it is kept; 0 for in a block. */
const KEPT_BITS = 0xf0;

/** Behind the head and behind a table. */
const CHECKSUM_BYTES = 4;

/** A heap whose blocks double in size from row to row. */
export interface Heap {
  readonly width: number;
  /** Bytes of the first blocks, and of the largest that hold things. */
  readonly firstBytes: number;
  readonly largestBytes: number;
  /** Rows of blocks that hold things; those behind hold tables of blocks. */
  readonly directRows: number;
  /** Bytes of an offset and of a length in a number of the heap. */
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly root: number;
  /** Rows of the table at the root; 0 where that is a block. */
  readonly rows: number;
}

/** Where a thing lies in a heap. */
export interface HeapEntry {
  readonly offset: number;
  readonly length: number;
}

/** A block of a heap: where it lies in the heap, and in the file. */
export interface Block {
  readonly start: number;
  readonly end: number;
  readonly at: number;
}

/** @returns the heap whose head lies at an address */
export async function readHeap(file: Hdf5File, at: number): Promise<Heap> {
  const view = await file.structure(at, HEAD_BYTES, 'FRHP');
  if (view.getUint16(7, true) !== 0) throw file.unsupported('links of a group are compressed');
  file.claim(at, HEAD_BYTES + CHECKSUM_BYTES);
  const width = view.getUint16(110, true);
  const firstBytes = file.number(view, 112, 8);
  const largestBytes = file.number(view, 120, 8);
  const heapBits = view.getUint16(128, true);
  const sizes = [width, firstBytes, largestBytes];
  if (!sizes.every((size) => Number.isInteger(Math.log2(size))) || largestBytes < firstBytes || heapBits > 48)
    throw file.bad('a heap has blocks of no size');
  return {
    width,
    firstBytes,
    largestBytes,
    directRows: Math.log2(largestBytes / firstBytes) + 2,
    offsetBytes: Math.ceil(heapBits / 8),
    lengthBytes: Math.min(Math.ceil(Math.log2(largestBytes) / 8), bytesFor(view.getUint32(10, true))),
    root: file.place(view, 132),
    rows: view.getUint16(140, true),
  };
}

/** @returns the block that holds what has this offset */
export async function findBlock(file: Hdf5File, heap: Heap, offset: number): Promise<Block> {
  const { width, firstBytes, directRows } = heap;
  let { root: at, rows } = heap;
  let [start, blockBytes] = [0, rows === 0 ? heap.largestBytes : Number.POSITIVE_INFINITY];
  while (rows > 0) {
    // The first two rows have blocks of one size; from there on, all rows together are as large as the next.
    const within = offset - start;
    let row = 0;
    while (row < rows && within >= width * firstBytes * 2 ** row) row++;
    if (row === rows) throw file.bad('a link lies outside of its heap');
    blockBytes = firstBytes * 2 ** Math.max(0, row - 1);
    const rowStart = row === 0 ? 0 : width * blockBytes;
    const column = Math.floor((within - rowStart) / blockBytes);
    await file.structure(at, 4, 'FHIB');
    const entries = at + 13 + heap.offsetBytes;
    file.claim(at, entries + 8 * rows * width + CHECKSUM_BYTES - at);
    const entry = entries + 8 * (row * width + column);
    at = file.place(await file.view(entry, 8), 0);
    start += rowStart + column * blockBytes;
    rows = row < directRows ? 0 : Math.log2(blockBytes / (width * firstBytes)) + 1;
  }
  await file.structure(at, 4, 'FHDB');
  // A block at the root is one of the first size.
  file.claim(at, heap.rows === 0 ? firstBytes : blockBytes);
  return { start, end: start + blockBytes, at };
}

/**
 * @param id the number by which a heap knows a thing
 * @returns where it lies
 */
export function readEntry(file: Hdf5File, heap: Heap, id: DataView): HeapEntry {
  if ((id.getUint8(0) & KEPT_BITS) !== 0) throw file.unsupported('a link is kept outside of its heap');
  return {
    offset: file.number(id, 1, heap.offsetBytes),
    length: file.number(id, 1 + heap.offsetBytes, heap.lengthBytes),
  };
}

/** @returns the bytes that hold a number up to this one */
export function bytesFor(most: number): number {
  return Math.floor(Math.log2(Math.max(most, 1)) / 8) + 1;
}
