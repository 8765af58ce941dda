import { type Hdf5File, isHdf5, lettersOf, NUMBER_BYTES } from './file.js';

/** Kinds of messages in an object header. */
export const MESSAGE = {
  dataspace: 0x01,
  linkInfo: 0x02,
  datatype: 0x03,
  link: 0x06,
  external: 0x07,
  layout: 0x08,
  continuation: 0x10,
  symbolTable: 0x11,
} as const;

/** A message: where its body lies. */
export interface Message {
  readonly kind: number;
  readonly start: number;
  readonly length: number;
  /** The body is an address of the message, shared by several objects. */
  readonly isShared: boolean;
}

/** What is known of a group or a dataset. */
export interface ObjectHeader {
  /** A checksum covers the messages: they cannot be changed alone. */
  readonly hasChecksum: boolean;
  readonly messages: readonly Message[];
}

/** Bytes from a place to before another. */
interface Block {
  readonly start: number;
  readonly end: number;
}

/** Where the fields of a message's head lie. */
interface Form {
  readonly hasChecksum: boolean;
  readonly kindBytes: number;
  readonly sizeAt: number;
  readonly flagsAt: number;
  readonly headBytes: number;
}

const FORM_1: Form = { hasChecksum: false, kindBytes: 2, sizeAt: 2, flagsAt: 4, headBytes: 8 };
const FORM_2: Form = { hasChecksum: true, kindBytes: 1, sizeAt: 1, flagsAt: 3, headBytes: 4 };

/** Flags of a header of version 2. */
const TRACKS_ORDER = 4;
const HAS_PHASES = 16;
const HAS_TIMES = 32;

/** Messages of an object: as many links as a group may have in its header. */
const MAX_MESSAGES = 2 ** 16;

const IS_SHARED = 2;
const CHECKSUM_BYTES = 4;

/** @returns the header at an address, its continuations included */
export async function readHeader(file: Hdf5File, at: number): Promise<ObjectHeader> {
  const view = await file.view(at, 12);
  if (lettersOf(view) === 'OHDR') return readHeader2(file, at, view);
  if (view.getUint8(0) !== 1) throw file.bad(`expected an object header at byte ${at}`);
  // 4 bytes in front of the messages align them.
  const start = at + 16;
  file.claim(at, 16);
  return readMessages(file, { start, end: start + view.getUint32(8, true) }, FORM_1);
}

async function readHeader2(file: Hdf5File, at: number, view: DataView): Promise<ObjectHeader> {
  if (view.getUint8(4) !== 2) throw file.unsupported(`an object header has version ${view.getUint8(4)}`);
  const flags = view.getUint8(5);
  const sizeAt = at + 6 + (flags & HAS_TIMES ? 16 : 0) + (flags & HAS_PHASES ? 4 : 0);
  const sizeBytes = 2 ** (flags & 3);
  const size = file.number(await file.view(sizeAt, sizeBytes), 0, sizeBytes);
  const start = sizeAt + sizeBytes;
  file.claim(at, start + size + CHECKSUM_BYTES - at);
  const form = flags & TRACKS_ORDER ? { ...FORM_2, headBytes: 6 } : FORM_2;
  return readMessages(file, { start, end: start + size }, form);
}

async function readMessages(file: Hdf5File, first: Block, form: Form): Promise<ObjectHeader> {
  const messages: Message[] = [];
  const blocks = [first];
  // Grows on the way.
  for (const block of blocks) {
    for (let at = block.start; at + form.headBytes <= block.end; ) {
      const view = await file.view(at, form.headBytes);
      const message = {
        kind: file.number(view, 0, form.kindBytes),
        start: at + form.headBytes,
        length: view.getUint16(form.sizeAt, true),
        isShared: (view.getUint8(form.flagsAt) & IS_SHARED) !== 0,
      };
      file.claim(at, form.headBytes);
      at = message.start + message.length;
      if (at > block.end) throw file.bad('a message is longer than its object header');
      // A dataset may lie in its layout: whoever places it says which bytes of that are its.
      if (message.kind !== MESSAGE.layout) file.claim(message.start, message.length);
      if (message.kind === MESSAGE.continuation) blocks.push(await readBlock(file, message, form));
      else messages.push(message);
      if (messages.length > MAX_MESSAGES) throw file.bad('an object header has too many messages');
    }
  }
  return { hasChecksum: form.hasChecksum, messages };
}

async function readBlock(file: Hdf5File, message: Message, { hasChecksum }: Form): Promise<Block> {
  const view = await body(file, message, 16);
  const start = file.place(view, 0);
  const end = start + file.number(view, 8, 8);
  if (!hasChecksum) return { start, end };
  await file.structure(start, 4, 'OCHK');
  file.claim(start, end - start);
  return { start: start + 4, end: end - CHECKSUM_BYTES };
}

/** @returns the first bytes of a message; more than it has are an error */
export async function body(file: Hdf5File, message: Message, length: number): Promise<DataView> {
  if (length > message.length) throw file.bad('a message is too short');
  if (message.isShared) throw file.unsupported('objects share a message, such as a named type');
  return file.view(message.start, length);
}

/** By its version: where the base address stands, and the bytes of a superblock. */
const BASE_AT = [24, 28, 12, 12] as const;
const BYTES = [96, 100, 48, 48] as const;

/** From here on there are flags that whoever writes a file sets and clears at the end, and an object header of its own. */
const FLAGGED_VERSION = 3;
const EXTENDED_VERSION = 2;

/** Flags of a file that is open for writing, or for writing while others read. */
const OPEN_FLAGS = 1 | 4;

/** Messages of a superblock's extension that say that the rest is not as it lies in the file. */
const DRIVER = 0x14;
const CACHE_IMAGE = 0x18;

/**
 * Reads the start of a file.
 *
 * @returns the address of the root group's object header
 */
export async function readSuperblock(file: Hdf5File): Promise<number> {
  const head = await file.view(0, Math.min(Math.max(...BYTES), file.size));
  if (head.byteLength < 48 || !isHdf5(new Uint8Array(head.buffer, head.byteOffset, 8)))
    throw file.bad('it does not begin as such a file');
  const version = head.getUint8(8);
  const [base, bytes] = [BASE_AT[version], BYTES[version]];
  if (base === undefined || bytes === undefined)
    throw file.unsupported(`its superblock has version ${version}`);
  const sizes = version < EXTENDED_VERSION ? 13 : 9;
  if (head.getUint8(sizes) !== NUMBER_BYTES || head.getUint8(sizes + 1) !== NUMBER_BYTES)
    throw file.unsupported('its addresses are not of 8 bytes');
  if (bytes > head.byteLength) throw file.bad('it ends too early');
  if (version >= FLAGGED_VERSION && (head.getUint8(11) & OPEN_FLAGS) !== 0)
    throw file.bad('it is open for writing, or was not closed (`h5clear -s` says that it was)');
  // The base address, that of something else, the end, that of something else; before version 2, the root's name.
  if (file.number(head, base, NUMBER_BYTES) !== 0) throw file.unsupported('its base address is not 0');
  if (file.place(head, base + 16) > file.size) throw file.bad('it ends too early');
  const root = file.place(head, base + (version < EXTENDED_VERSION ? 40 : 24));
  const other = file.address(head, base + (version < EXTENDED_VERSION ? 24 : 8));
  file.claim(0, bytes);
  if (other === undefined) return root;
  if (version < EXTENDED_VERSION) throw severalFiles(file);
  await checkExtension(file, other);
  return root;
}

async function checkExtension(file: Hdf5File, at: number): Promise<void> {
  const kinds = (await readHeader(file, at)).messages.map(({ kind }) => kind);
  if (kinds.includes(DRIVER)) throw severalFiles(file);
  if (kinds.includes(CACHE_IMAGE)) throw file.unsupported('its structure is kept as an image of a cache');
}

/** Drivers describe themselves where addresses are not places in one file. */
function severalFiles(file: Hdf5File): Error {
  return file.unsupported('it is one of several files, written by a driver of its own');
}
