import { type Hdf5File, isHdf5, NUMBER_BYTES } from './hdf5-file.js';
import { readHeader } from './hdf5-header.js';

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
