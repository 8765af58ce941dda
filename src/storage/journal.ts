import { concatBytes, equalBytes, fromHex, hex } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { createChecksum, xxh64 } from '../payload/checksum.js';
import { type Disk, folderOf } from './disk.js';
import type { Fingerprints } from './storage.js';

/**
 * An undo journal: what a model's files held before an update changed them.
 *
 * A header of 56 bytes: magic (16), base and next fingerprint (16 each), XXH64 of these. Then entries: kind (1 byte), length of
 * the path (2), offset in the file (8), number of bytes (4), all least significant first; the path in UTF-8, the bytes,
 * and XXH64 of the header's checksum, the entry's place in the journal (8 bytes) and the entry. What does not have
 * its checksum was never finished: a journal ends before it.
 */
const MAGIC = new TextEncoder().encode('neural-diff undo');
const NAME_BYTES = 16;
const CHECKSUM_BYTES = 8;
const HEADER_BYTES = MAGIC.length + 2 * NAME_BYTES + CHECKSUM_BYTES;
const HEAD_BYTES = 15;
const MARK_BYTES = HEAD_BYTES + CHECKSUM_BYTES;

/** Most bytes that an entry holds of a file, and of its path. */
const MAX_ENTRY_BYTES = 2 ** 20;
const MAX_PATH_BYTES = 1_024;

/** What an entry says: bytes that a file had, that the update is whole, that it is being undone. */
const KINDS = ['kept', 'committed', 'undoing'] as const;

/** One entry of a journal; path, offset and bytes of one that keeps nothing are empty. */
export interface JournalEntry {
  readonly kind: (typeof KINDS)[number];
  readonly path: string;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** What a journal says, without the bytes that it keeps. */
export interface JournalFacts extends Fingerprints {
  readonly isCommitted: boolean;
  readonly isUndoing: boolean;
}

/** A journal that is written; entries are durable once `sync` returns. */
export interface JournalWriter {
  append(entry: JournalEntry): Promise<void>;
  /** Appends an entry that keeps nothing. */
  mark(kind: 'committed' | 'undoing'): Promise<void>;
  sync(): Promise<void>;
}

const encoder = new TextEncoder();

/** Begins a journal in place of what there may be at its path; its name and header are durable when the promise settles. */
export async function createJournal(disk: Disk, path: string, names: Fingerprints): Promise<JournalWriter> {
  await disk.remove(path);
  const header = new Uint8Array(HEADER_BYTES - CHECKSUM_BYTES);
  header.set(MAGIC);
  header.set(fromHex(names.base), MAGIC.length);
  header.set(fromHex(names.next), MAGIC.length + NAME_BYTES);
  const seal = await xxh64(header);
  await disk.write(path, 0, concatBytes([header, seal]));
  await disk.sync(path);
  await disk.syncDirectory(folderOf(path));
  return writerAt(disk, placeBehindHeader(path, seal));
}

/** A place in a journal. */
interface Place {
  readonly path: string;
  /** The header's checksum. */
  readonly seal: Uint8Array;
  end: number;
  /** Holds an entry while it is written; arrays made for each would fill the memory before they are collected. */
  room: Uint8Array;
}

function placeBehindHeader(path: string, seal: Uint8Array): Place {
  return { path, seal, end: HEADER_BYTES, room: new Uint8Array(0) };
}

function writerAt(disk: Disk, place: Place): JournalWriter {
  const append = async (entry: JournalEntry): Promise<void> => {
    const bytes = await encodeEntry(entry, place);
    await disk.write(place.path, place.end, bytes);
    place.end += bytes.length;
  };
  return {
    append,
    async mark(kind) {
      await append({ kind, path: '', offset: 0, bytes: new Uint8Array(0) });
      // Room for the next mark: an update must be undone on a full disk too.
      if (kind === 'committed') await disk.write(place.path, place.end, new Uint8Array(MARK_BYTES));
    },
    sync: () => disk.sync(place.path),
  };
}

/** A journal that was found. */
export interface OpenJournal {
  readonly facts: JournalFacts;
  /** Reads the whole entries, in order. */
  entries(): AsyncIterable<JournalEntry>;
  /** Writes behind the last whole entry. */
  readonly writer: JournalWriter;
}

/**
 * Opens a journal that a cut may have left.
 *
 * @returns undefined where there is none, or one whose header was not finished, before which nothing is changed
 * @throws NeuralDiffError `storage-mismatch` for a header that was finished and is no longer whole
 */
export async function openJournal(disk: Disk, path: string): Promise<OpenJournal | undefined> {
  const header = await readHeader(disk, path);
  if (header === undefined) {
    if (((await disk.size(path)) ?? 0) <= HEADER_BYTES) return undefined;
    throw new NeuralDiffError(
      'storage-mismatch',
      `Cannot trust "${path}": its header is not what was written`,
    );
  }
  const { names, seal } = header;
  const place = placeBehindHeader(path, seal);
  const kinds = new Set<JournalEntry['kind']>();
  for await (const { kind } of readEntries(disk, place)) kinds.add(kind);
  const facts = { ...names, isCommitted: kinds.has('committed'), isUndoing: kinds.has('undoing') };
  const entries = () => readEntries(disk, placeBehindHeader(path, seal));
  return { facts, entries, writer: writerAt(disk, place) };
}

async function readHeader(
  disk: Disk,
  path: string,
): Promise<{ names: Fingerprints; seal: Uint8Array } | undefined> {
  const size = await disk.size(path);
  if (size === undefined || size < HEADER_BYTES) return undefined;
  const bytes = new Uint8Array(HEADER_BYTES);
  await disk.readInto(path, 0, bytes);
  const header = bytes.subarray(0, HEADER_BYTES - CHECKSUM_BYTES);
  const seal = bytes.subarray(header.length);
  if (!equalBytes(await xxh64(header), seal)) return undefined;
  if (!equalBytes(header.subarray(0, MAGIC.length), MAGIC)) return undefined;
  const [base, next] = [0, NAME_BYTES].map((at) =>
    hex(header.subarray(MAGIC.length + at).subarray(0, NAME_BYTES)),
  );
  return { names: { base: base as string, next: next as string }, seal };
}

/** Reads a journal's whole entries, in order, from a place on, which moves on behind each of them. */
async function* readEntries(disk: Disk, place: Place): AsyncGenerator<JournalEntry> {
  const { path } = place;
  const size = (await disk.size(path)) as number;
  for (;;) {
    const bytes = await readEntryBytes(disk, { path, at: place.end, size });
    const entry = bytes && (await decodeEntry(bytes, place));
    if (bytes === undefined || entry === undefined) return;
    place.end += bytes.length;
    yield entry;
  }
}

/** @returns the bytes of the entry at a place, so far as its head can be believed; undefined at the end */
async function readEntryBytes(
  disk: Disk,
  { path, at, size }: { path: string; at: number; size: number },
): Promise<Uint8Array | undefined> {
  if (at + HEAD_BYTES > size) return undefined;
  const head = new Uint8Array(HEAD_BYTES);
  await disk.readInto(path, at, head);
  const { pathBytes, count } = parseHead(head);
  const length = HEAD_BYTES + pathBytes + count + CHECKSUM_BYTES;
  if (pathBytes > MAX_PATH_BYTES || count > MAX_ENTRY_BYTES || at + length > size) return undefined;
  const bytes = new Uint8Array(length);
  await disk.readInto(path, at, bytes);
  return bytes;
}

function parseHead(head: Uint8Array): { kind: number; pathBytes: number; offset: number; count: number } {
  const view = new DataView(head.buffer, head.byteOffset);
  return {
    kind: view.getUint8(0),
    pathBytes: view.getUint16(1, true),
    offset: Number(view.getBigUint64(3, true)),
    count: view.getUint32(11, true),
  };
}

async function decodeEntry(
  bytes: Uint8Array,
  place: Pick<Place, 'seal' | 'end'>,
): Promise<JournalEntry | undefined> {
  const entry = bytes.subarray(0, bytes.length - CHECKSUM_BYTES);
  if (!equalBytes(await checksumOf(entry, place), bytes.subarray(entry.length))) return undefined;
  const { kind, pathBytes, offset } = parseHead(entry);
  const path = new TextDecoder().decode(entry.subarray(HEAD_BYTES, HEAD_BYTES + pathBytes));
  return {
    kind: KINDS[kind] as JournalEntry['kind'],
    path,
    offset,
    bytes: entry.subarray(HEAD_BYTES + pathBytes),
  };
}

/** @returns the entry in the place's room */
async function encodeEntry({ kind, path, offset, bytes }: JournalEntry, place: Place): Promise<Uint8Array> {
  const name = encoder.encode(path);
  const length = HEAD_BYTES + name.length + bytes.length + CHECKSUM_BYTES;
  if (place.room.length < length) place.room = new Uint8Array(Math.max(length, 2 * place.room.length));
  const result = place.room.subarray(0, length);
  const view = new DataView(result.buffer, result.byteOffset);
  view.setUint8(0, KINDS.indexOf(kind));
  view.setUint16(1, name.length, true);
  view.setBigUint64(3, BigInt(offset), true);
  view.setUint32(11, bytes.length, true);
  result.set(name, HEAD_BYTES);
  result.set(bytes, HEAD_BYTES + name.length);
  const entry = result.subarray(0, length - CHECKSUM_BYTES);
  result.set(await checksumOf(entry, place), entry.length);
  return result;
}

/** Entries of another journal, or of another place in this one, do not pass for this one's. */
async function checksumOf(
  entry: Uint8Array,
  { seal, end }: Pick<Place, 'seal' | 'end'>,
): Promise<Uint8Array> {
  const at = new Uint8Array(8);
  new DataView(at.buffer).setBigUint64(0, BigInt(end), true);
  const checksum = await createChecksum();
  for (const part of [seal, at, entry]) checksum.update(part);
  return checksum.digest();
}
