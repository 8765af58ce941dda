import type { Hdf5File } from './hdf5-file.js';
import { body, type Message } from './hdf5-header.js';
import {
  type Block,
  bytesFor,
  findBlock,
  type Heap,
  type HeapEntry,
  readEntry,
  readHeap,
} from './hdf5-heap.js';

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
