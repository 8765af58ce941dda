import type { Hdf5File } from './file.js';
import { body, type Message } from './header.js';

/** Location of a link of a large group. */
interface LinkRange {
  readonly start: number;
  readonly length: number;
}

/** Bytes of structures; `NODE_BYTES` counts those around the records of a tree's node. */
const TREE_HEAD_BYTES = 38;
const NODE_HEAD_BYTES = 6;
const NODE_BYTES = 10;

/** Bytes of the hash of a link's name, before the link's heap ID in a record. */
const HASH_BYTES = 4;

/** Bytes of a tree's node, usually 512, and levels of nodes. */
const MAX_NODE_BYTES = 2 ** 16;
const MAX_DEPTH = 8;

/** Type of the B-tree that indexes links by name. */
const NAMES_TREE = 5;

/**
 * Finds the links of a group that stores them in a fractal heap.
 *
 * @param message the group's link info message
 * @returns the links' locations in file order; empty for a group without a heap
 */
export async function denseLinks(file: Hdf5File, message: Message): Promise<LinkRange[]> {
  const flags = (await body(file, message, 2)).getUint8(1);
  const at = flags & 1 ? 10 : 2;
  const view = await body(file, message, at + 16);
  const heapAt = file.address(view, at);
  if (heapAt === undefined) return [];
  const treeAt = file.requiredAddress(view, at + 8);
  const heap = await readHeap(file, heapAt);
  // Sorted, so that each block is looked up once.
  const entries = (await readTree(file, treeAt, heap)).sort((a, b) => a.offset - b.offset);
  const links: LinkRange[] = [];
  let block: Block | undefined;
  for (const { offset, length } of entries) {
    if (block === undefined || offset >= block.end) block = await findBlock(file, heap, offset);
    links.push({ start: block.at + offset - block.start, length });
  }
  return links;
}

/** Reads all records of a tree. */
async function readTree(file: Hdf5File, at: number, heap: Heap): Promise<HeapEntry[]> {
  const view = await file.structure(at, TREE_HEAD_BYTES, 'BTHD');
  const [kind, recordBytes, depth] = [view.getUint8(5), view.getUint16(10, true), view.getUint16(12, true)];
  const needed = HASH_BYTES + 1 + heap.offsetBytes + heap.lengthBytes;
  const nodeBytes = view.getUint32(6, true);
  if (kind !== NAMES_TREE || recordBytes < needed || nodeBytes > MAX_NODE_BYTES || depth > MAX_DEPTH)
    throw file.invalid('invalid B-tree of link names');
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

/** Size of a pointer to a node of some depth, and of the record count in it. */
interface Pointer {
  readonly bytes: number;
  readonly countBytes: number;
}

/** Computes pointer sizes from the number of records that nodes can have, starting with leaves. */
function pointersOf(nodeBytes: number, recordBytes: number, depth: number): Pointer[] {
  const leaf = Math.floor((nodeBytes - NODE_BYTES) / recordBytes);
  const countBytes = bytesFor(leaf);
  const pointers: Pointer[] = [];
  let recordsBelow = leaf;
  for (let level = 0; level < depth; level++) {
    const bytes = 8 + countBytes + (level === 0 ? 0 : bytesFor(recordsBelow));
    pointers.push({ bytes, countBytes });
    const records = Math.floor((nodeBytes - NODE_BYTES - bytes) / (recordBytes + bytes));
    recordsBelow = (records + 1) * recordsBelow + records;
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
  if (NODE_BYTES + length > form.nodeBytes) throw file.invalid('the records of a B-tree node exceed it');
  file.claim(at, form.nodeBytes);
  const view = await file.view(at + NODE_HEAD_BYTES, length);
  const ids = Array.from({ length: count }, (_, i) => {
    const start = view.byteOffset + i * recordBytes + HASH_BYTES;
    return new DataView(view.buffer, start, recordBytes - HASH_BYTES);
  });
  const children = Array.from({ length: pointer ? count + 1 : 0 }, (_, i): TreeNode => {
    const child = pointersAt + i * (pointer as Pointer).bytes;
    const childCount = file.number(view, child + 8, (pointer as Pointer).countBytes);
    return { at: file.requiredAddress(view, child), count: childCount, depth: depth - 1 };
  });
  return { ids, children };
}

const HEAD_BYTES = 142;

/** Bits of a heap ID with the storage type; 0 for an object in a block. */
const STORAGE_BITS = 0xf0;

/** Bytes of the checksum after the head and after a table. */
const CHECKSUM_BYTES = 4;

/** A fractal heap, whose blocks double in size from row to row. */
export interface Heap {
  readonly width: number;
  /** Bytes of the first blocks, and of the largest direct blocks. */
  readonly firstBytes: number;
  readonly largestBytes: number;
  /** Number of rows of direct blocks; later rows hold tables of blocks. */
  readonly directRows: number;
  /** Bytes of an offset and of a length in a heap ID. */
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly root: number;
  /** Rows of the table at the root; 0 for a direct block. */
  readonly rows: number;
}

/** Location of an object in a heap. */
interface HeapEntry {
  readonly offset: number;
  readonly length: number;
}

/** A direct block: its range in the heap, and its address in the file. */
export interface Block {
  readonly start: number;
  readonly end: number;
  readonly at: number;
}

/** @returns the heap with its header at an address */
export async function readHeap(file: Hdf5File, at: number): Promise<Heap> {
  const view = await file.structure(at, HEAD_BYTES, 'FRHP');
  if (view.getUint16(7, true) !== 0) throw file.unsupported('compressed links of a group');
  file.claim(at, HEAD_BYTES + CHECKSUM_BYTES);
  const width = view.getUint16(110, true);
  const firstBytes = file.number(view, 112, 8);
  const largestBytes = file.number(view, 120, 8);
  const heapBits = view.getUint16(128, true);
  const sizes = [width, firstBytes, largestBytes];
  if (!sizes.every((size) => Number.isInteger(Math.log2(size))) || largestBytes < firstBytes || heapBits > 48)
    throw file.invalid('invalid block sizes of a heap');
  return {
    width,
    firstBytes,
    largestBytes,
    directRows: Math.log2(largestBytes / firstBytes) + 2,
    offsetBytes: Math.ceil(heapBits / 8),
    lengthBytes: Math.min(Math.ceil(Math.log2(largestBytes) / 8), bytesFor(view.getUint32(10, true))),
    root: file.requiredAddress(view, 132),
    rows: view.getUint16(140, true),
  };
}

/** @returns the block that contains a heap offset */
async function findBlock(file: Hdf5File, heap: Heap, offset: number): Promise<Block> {
  const { width, firstBytes, directRows } = heap;
  let { root: at, rows } = heap;
  let [start, blockBytes] = [0, rows === 0 ? heap.largestBytes : Number.POSITIVE_INFINITY];
  while (rows > 0) {
    // The first two rows have blocks of equal size; after that, each row is as large as all rows before it.
    const within = offset - start;
    let row = 0;
    while (row < rows && within >= width * firstBytes * 2 ** row) row++;
    if (row === rows) throw file.invalid('a link exceeds its heap');
    blockBytes = firstBytes * 2 ** Math.max(0, row - 1);
    const rowStart = row === 0 ? 0 : width * blockBytes;
    const column = Math.floor((within - rowStart) / blockBytes);
    await file.structure(at, 4, 'FHIB');
    const entries = at + 13 + heap.offsetBytes;
    file.claim(at, entries + 8 * rows * width + CHECKSUM_BYTES - at);
    const entry = entries + 8 * (row * width + column);
    at = file.requiredAddress(await file.view(entry, 8), 0);
    start += rowStart + column * blockBytes;
    rows = row < directRows ? 0 : Math.log2(blockBytes / (width * firstBytes)) + 1;
  }
  await file.structure(at, 4, 'FHDB');
  // A direct block at the root has the size of the first blocks.
  file.claim(at, heap.rows === 0 ? firstBytes : blockBytes);
  return { start, end: start + blockBytes, at };
}

/** @returns the location encoded in a heap ID */
export function readEntry(file: Hdf5File, heap: Heap, id: DataView): HeapEntry {
  if ((id.getUint8(0) & STORAGE_BITS) !== 0) throw file.unsupported('a link stored outside its heap');
  return {
    offset: file.number(id, 1, heap.offsetBytes),
    length: file.number(id, 1 + heap.offsetBytes, heap.lengthBytes),
  };
}

/** @returns the number of bytes for numbers up to `max` */
function bytesFor(max: number): number {
  return Math.floor(Math.log2(Math.max(max, 1)) / 8) + 1;
}
