import type { Hdf5File } from './file.js';
import { body, type Message } from './header.js';

/** Where a link of a large group lies. */
interface Place {
  readonly start: number;
  readonly length: number;
}

/** Bytes of structures; `NODE` those around the records of a tree's node. */
const TREE_HEAD_BYTES = 38;
const NODE_HEAD_BYTES = 6;
const NODE_BYTES = 10;

/** Behind the hash of its name, a record has the number by which the heap knows the link. */
const HASH_BYTES = 4;

/** Bytes of a tree's node, 512 as files are written, and levels of nodes. */
const MAX_NODE_BYTES = 2 ** 16;
const MAX_DEPTH = 8;

/** The kind of tree that finds links by their names. */
const NAMES_TREE = 5;

/**
 * Finds the links of a group that keeps them in a heap.
 *
 * @param message the group's link info
 * @returns them in the order in which they lie; none for a group that keeps none so
 */
export async function denseLinks(file: Hdf5File, message: Message): Promise<Place[]> {
  const flags = (await body(file, message, 2)).getUint8(1);
  const at = flags & 1 ? 10 : 2;
  const view = await body(file, message, at + 16);
  const heapAt = file.address(view, at);
  if (heapAt === undefined) return [];
  const treeAt = file.place(view, at + 8);
  const heap = await readHeap(file, heapAt);
  // So each block is looked up once.
  const entries = (await readTree(file, treeAt, heap)).sort((a, b) => a.offset - b.offset);
  const places: Place[] = [];
  let block: Block | undefined;
  for (const { offset, length } of entries) {
    if (block === undefined || offset >= block.end) block = await findBlock(file, heap, offset);
    places.push({ start: block.at + offset - block.start, length });
  }
  return places;
}

/** Reads every record of a tree, node by node. */
async function readTree(file: Hdf5File, at: number, heap: Heap): Promise<HeapEntry[]> {
  const view = await file.structure(at, TREE_HEAD_BYTES, 'BTHD');
  const [kind, recordBytes, depth] = [view.getUint8(5), view.getUint16(10, true), view.getUint16(12, true)];
  const needed = HASH_BYTES + 1 + heap.offsetBytes + heap.lengthBytes;
  const nodeBytes = view.getUint32(6, true);
  if (kind !== NAMES_TREE || recordBytes < needed || nodeBytes > MAX_NODE_BYTES || depth > MAX_DEPTH)
    throw file.bad('the names of a group have another tree');
  file.claim(at, TREE_HEAD_BYTES);
  const root = file.address(view, 16);
  const count = view.getUint16(24, true);
  const form = { nodeBytes, recordBytes, pointers: pointersOf(nodeBytes, recordBytes, depth) };
  const records: HeapEntry[] = [];
  const pending = root === undefined ? [] : [{ at: root, count, depth }];
  for (let node = pending.pop(); node; node = pending.pop()) {
    const found = await readNode(file, node, form);
    for (const child of found.children) pending.push(child);
    for (const id of found.ids) {
      file.countLink();
      records.push(readEntry(file, heap, id));
    }
  }
  return records;
}

/** What a pointer to a node of each depth takes, and the records that fit into such a node. */
interface Pointer {
  readonly bytes: number;
  readonly countBytes: number;
}

/** Sizes of pointers follow from how many records nodes can have, a leaf's first. */
function pointersOf(nodeBytes: number, recordBytes: number, depth: number): Pointer[] {
  const leaf = Math.floor((nodeBytes - NODE_BYTES) / recordBytes);
  const countBytes = bytesFor(leaf);
  const pointers: Pointer[] = [];
  let below = leaf;
  for (let level = 0; level < depth; level++) {
    const bytes = 8 + countBytes + (level === 0 ? 0 : bytesFor(below));
    pointers.push({ bytes, countBytes });
    const here = Math.floor((nodeBytes - NODE_BYTES - bytes) / (recordBytes + bytes));
    below = (here + 1) * below + here;
  }
  return pointers;
}

interface TreeNode {
  readonly at: number;
  readonly count: number;
  readonly depth: number;
}

async function readNode(
  file: Hdf5File,
  { at, count, depth }: TreeNode,
  form: { nodeBytes: number; recordBytes: number; pointers: readonly Pointer[] },
): Promise<{ ids: DataView[]; children: TreeNode[] }> {
  await file.structure(at, NODE_HEAD_BYTES, depth === 0 ? 'BTLF' : 'BTIN');
  const { recordBytes } = form;
  const pointer = form.pointers[depth - 1];
  const pointersAt = count * recordBytes;
  const length = pointersAt + (pointer ? (count + 1) * pointer.bytes : 0);
  if (NODE_BYTES + length > form.nodeBytes) throw file.bad('a node has more names than it holds');
  file.claim(at, form.nodeBytes);
  const view = await file.view(at + NODE_HEAD_BYTES, length);
  const ids = Array.from({ length: count }, (_, i) => {
    const start = view.byteOffset + i * recordBytes + HASH_BYTES;
    return new DataView(view.buffer, start, recordBytes - HASH_BYTES);
  });
  const children = Array.from({ length: pointer ? count + 1 : 0 }, (_, i): TreeNode => {
    const child = pointersAt + i * (pointer as Pointer).bytes;
    const inside = file.number(view, child + 8, (pointer as Pointer).countBytes);
    return { at: file.place(view, child), count: inside, depth: depth - 1 };
  });
  return { ids, children };
}

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
