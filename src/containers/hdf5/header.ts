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

/** A header message: the location of its body. */
export interface Message {
  readonly kind: number;
  readonly start: number;
  readonly length: number;
  /** Whether the body refers to a message shared by several objects. */
  readonly isShared: boolean;
}

/** The object header of a group or a dataset. */
export interface ObjectHeader {
  /** Whether a checksum covers the messages, so that they cannot be changed in place. */
  readonly hasChecksum: boolean;
  readonly messages: readonly Message[];
}

/** A byte range; `end` is exclusive. */
interface Block {
  readonly start: number;
  readonly end: number;
}

/** Offsets of the fields in a message's head. */
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

/** Messages of an object, which include the links of a compact group. */
const MAX_MESSAGES = 2 ** 16;

const IS_SHARED = 2;
const CHECKSUM_BYTES = 4;

/** @returns the object header at an address, including its continuations */
export async function readHeader(file: Hdf5File, at: number): Promise<ObjectHeader> {
  const view = await file.view(at, 12);
  if (lettersOf(view) === 'OHDR') return readHeader2(file, at, view);
  if (view.getUint8(0) !== 1) throw file.invalid(`expected an object header at byte ${at}`);
  // Four padding bytes align the messages.
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
  // Continuations append to `blocks` during the loop.
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
      if (at > block.end) throw file.invalid('a message exceeds its object header');
      // A compact dataset is stored in its layout message; `placeDataset` claims the other bytes of the
      // message.
      if (message.kind !== MESSAGE.layout) file.claim(message.start, message.length);
      if (message.kind === MESSAGE.continuation) blocks.push(await readBlock(file, message, form));
      else messages.push(message);
      if (messages.length > MAX_MESSAGES) throw file.invalid('an object header has too many messages');
    }
  }
  return { hasChecksum: form.hasChecksum, messages };
}

async function readBlock(file: Hdf5File, message: Message, { hasChecksum }: Form): Promise<Block> {
  const view = await body(file, message, 16);
  const start = file.requiredAddress(view, 0);
  const end = start + file.number(view, 8, 8);
  if (!hasChecksum) return { start, end };
  await file.structure(start, 4, 'OCHK');
  file.claim(start, end - start);
  return { start: start + 4, end: end - CHECKSUM_BYTES };
}

/** @returns the first `length` bytes of a message's body */
export async function body(file: Hdf5File, message: Message, length: number): Promise<DataView> {
  if (length > message.length) throw file.invalid('a message is too short');
  if (message.isShared) throw file.unsupported('shared messages, such as named types');
  return file.view(message.start, length);
}

/** Offset of the base address, and bytes of the superblock, by its version. */
const BASE_AT = [24, 28, 12, 12] as const;
const BYTES = [96, 100, 48, 48] as const;

/** First version with flags for files open for writing, and first version with a superblock extension. */
const FLAGGED_VERSION = 3;
const EXTENDED_VERSION = 2;

/** Flags of a file open for writing, or for writing with concurrent readers. */
const OPEN_FLAGS = 1 | 4;

/** Messages of a superblock extension for files in another storage form. */
const DRIVER = 0x14;
const CACHE_IMAGE = 0x18;

/**
 * Reads the superblock.
 *
 * @returns the address of the root group's object header
 */
export async function readSuperblock(file: Hdf5File): Promise<number> {
  const head = await file.view(0, Math.min(Math.max(...BYTES), file.size));
  if (head.byteLength < 48 || !isHdf5(new Uint8Array(head.buffer, head.byteOffset, 8)))
    throw file.invalid('expected an HDF5 signature');
  const version = head.getUint8(8);
  const [base, bytes] = [BASE_AT[version], BYTES[version]];
  if (base === undefined || bytes === undefined) throw file.unsupported(`superblock version ${version}`);
  const sizes = version < EXTENDED_VERSION ? 13 : 9;
  if (head.getUint8(sizes) !== NUMBER_BYTES || head.getUint8(sizes + 1) !== NUMBER_BYTES)
    throw file.unsupported('expected addresses of 8 bytes');
  if (bytes > head.byteLength) throw file.invalid('the file is truncated');
  if (version >= FLAGGED_VERSION && (head.getUint8(11) & OPEN_FLAGS) !== 0)
    throw file.invalid('it is open for writing or was not closed properly; run `h5clear -s`');
  // Base, extension (or free space), end and driver addresses; before version 2 also the root's name.
  if (file.number(head, base, NUMBER_BYTES) !== 0) throw file.unsupported('expected base address 0');
  if (file.requiredAddress(head, base + 16) > file.size) throw file.invalid('the file is truncated');
  const root = file.requiredAddress(head, base + (version < EXTENDED_VERSION ? 40 : 24));
  const other = file.address(head, base + (version < EXTENDED_VERSION ? 24 : 8));
  file.claim(0, bytes);
  if (other === undefined) return root;
  if (version < EXTENDED_VERSION) throw unsupportedDriver(file);
  await checkExtension(file, other);
  return root;
}

async function checkExtension(file: Hdf5File, at: number): Promise<void> {
  const kinds = (await readHeader(file, at)).messages.map(({ kind }) => kind);
  if (kinds.includes(DRIVER)) throw unsupportedDriver(file);
  if (kinds.includes(CACHE_IMAGE)) throw file.unsupported('metadata cache image');
}

/** A driver information block means that addresses are not offsets in a single file. */
function unsupportedDriver(file: Hdf5File): Error {
  return file.unsupported('it was written by a multi-file driver');
}
