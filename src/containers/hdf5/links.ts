import { MAX_NAME_BYTES } from '../../model/limits.js';
import { tryDecodeUtf8 } from '../../model/text.js';
import { denseLinks } from './dense-links.js';
import type { Hdf5File } from './file.js';
import { body, MESSAGE, type Message, type ObjectHeader } from './header.js';

/** A name in a group and the address of its object header. */
interface Link {
  readonly name: string;
  readonly target: number;
}

/** A link; undefined for soft links. */
type MaybeLink = Link | undefined;

/** A symbol of a group: offset of its name, and address of its object unless it is a soft link. */
interface Entry {
  readonly offset: number;
  readonly target: number | undefined;
}

/** Bytes of structures. */
const NODE_HEAD_BYTES = 24;
const SYMBOLS_HEAD_BYTES = 8;
const SYMBOL_BYTES = 40;
const HEAP_BYTES = 32;

/** Cache type of a symbol that is a soft link. */
const SOFT_SYMBOL = 2;

/** Marks the root of a tree, whose level is not known yet, and maximum level. */
const ROOT = -1;
const MAX_LEVEL = 8;

/** Kinds of links. */
const HARD = 0;
const SOFT = 1;

/** Flags of a link message. */
const HAS_ORDER = 4;
const HAS_KIND = 8;
const HAS_CHARSET = 16;

/** Bytes of a hard link: its name and the fields around it. */
const MAX_LINK_BYTES = MAX_NAME_BYTES + 28;

/**
 * Reads the links of a group, stored in any of the three forms. Soft links are skipped, as they are aliases.
 *
 * @returns the links; empty for an object that is not a group
 */
export async function readLinks(file: Hdf5File, { messages }: ObjectHeader): Promise<Link[]> {
  const links: MaybeLink[] = [];
  for (const message of messages) {
    if (message.kind === MESSAGE.symbolTable) await readSymbols(file, message, links);
    if (message.kind === MESSAGE.link) {
      file.countLink();
      links.push(await readLink(file, message));
    }
    if (message.kind === MESSAGE.linkInfo) {
      for (const range of await denseLinks(file, message)) links.push(await readLink(file, range));
    }
  }
  return links.filter((link) => link !== undefined);
}

/** Reads the B-tree of a group in the old format. */
async function readSymbols(file: Hdf5File, message: Message, links: MaybeLink[]): Promise<void> {
  const view = await body(file, message, 16);
  const pending = [{ at: file.requiredAddress(view, 0), level: ROOT }];
  const heap = await readHeap(file, file.requiredAddress(view, 8));
  for (let node = pending.pop(); node; node = pending.pop()) {
    const { at, level } = node;
    if (level === 0) {
      for (const symbol of await readSymbolNode(file, at)) links.push(await linkOf(file, symbol, heap));
      continue;
    }
    const head = await file.structure(at, NODE_HEAD_BYTES, 'TREE');
    if (head.getUint8(4) !== 0) throw file.invalid('expected a B-tree of a group, got one of a dataset');
    const below = head.getUint8(5);
    if (level === ROOT ? below > MAX_LEVEL : below !== level - 1)
      throw file.invalid('invalid levels of a B-tree');
    const count = head.getUint16(6, true);
    // Keys, one more than the children, surround the child addresses.
    file.claim(at, NODE_HEAD_BYTES + 16 * count + 8);
    const children = await file.view(at + NODE_HEAD_BYTES, 16 * count);
    for (let i = 0; i < count; i++)
      pending.push({ at: file.requiredAddress(children, 16 * i + 8), level: below });
  }
}

async function readSymbolNode(file: Hdf5File, at: number): Promise<Entry[]> {
  const count = (await file.structure(at, SYMBOLS_HEAD_BYTES, 'SNOD')).getUint16(6, true);
  const view = await file.view(at + SYMBOLS_HEAD_BYTES, SYMBOL_BYTES * count);
  file.claim(at, SYMBOLS_HEAD_BYTES + SYMBOL_BYTES * count);
  return Array.from({ length: count }, (_, i) => {
    const entry = SYMBOL_BYTES * i;
    const isSoft = view.getUint32(entry + 16, true) === SOFT_SYMBOL;
    return {
      offset: file.number(view, entry, 8),
      target: isSoft ? undefined : file.requiredAddress(view, entry + 8),
    };
  });
}

/** @returns the location of a group's local heap, which holds its names */
async function readHeap(file: Hdf5File, at: number): Promise<{ start: number; size: number }> {
  const view = await file.structure(at, HEAP_BYTES, 'HEAP');
  const [start, size] = [file.requiredAddress(view, 24), file.number(view, 8, 8)];
  file.claim(at, HEAP_BYTES);
  file.claim(start, size);
  return { start, size };
}

async function linkOf(
  file: Hdf5File,
  { offset, target }: Entry,
  { start, size }: { start: number; size: number },
): Promise<MaybeLink> {
  file.countLink();
  if (target === undefined) return undefined;
  if (offset >= size) throw file.invalid('a name exceeds its heap');
  const bytes = bytesOf(await file.view(start + offset, Math.min(MAX_NAME_BYTES + 1, size - offset)));
  const end = bytes.indexOf(0);
  if (end < 0) throw file.invalid(`expected names of at most ${MAX_NAME_BYTES} bytes`);
  return { name: nameOf(file, bytes.subarray(0, end)), target };
}

async function readLink(file: Hdf5File, range: { start: number; length: number }): Promise<MaybeLink> {
  const length = Math.min(range.length, MAX_LINK_BYTES);
  if (length < 3) throw file.invalid('a link is too short');
  const view = await file.view(range.start, length);
  const flags = view.getUint8(1);
  if (view.getUint8(0) !== 1) throw file.unsupported(`link version ${view.getUint8(0)}`);
  const kind = flags & HAS_KIND ? view.getUint8(2) : HARD;
  if (kind === SOFT) return undefined;
  if (kind !== HARD) throw file.unsupported('links to other files');
  const sizeAt = 2 + (flags & HAS_KIND ? 1 : 0) + (flags & HAS_ORDER ? 8 : 0) + (flags & HAS_CHARSET ? 1 : 0);
  const sizeBytes = 2 ** (flags & 3);
  const start = sizeAt + sizeBytes;
  const end = start <= length ? start + file.number(view, sizeAt, sizeBytes) : start;
  if (end + 8 > length) throw file.invalid('a link is too short, or its name too long');
  return { name: nameOf(file, bytesOf(view).subarray(start, end)), target: file.requiredAddress(view, end) };
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function nameOf(file: Hdf5File, bytes: Uint8Array): string {
  const name = tryDecodeUtf8(bytes);
  if (name === undefined) throw file.invalid('a name is not UTF-8');
  if (name === '' || name.includes('/')) throw file.invalid(`invalid name "${name}"`);
  return name;
}
