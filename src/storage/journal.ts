import { concatBytes, equalBytes, fromHex, hex } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { FINGERPRINT_BYTES } from '../model/fingerprint.js';
import { MAX_PATH_BYTES } from '../model/planned-writes.js';
import { decodeUtf8, encodeUtf8 } from '../model/text.js';
import { createChecksum, xxh64 } from '../payload/checksum.js';
import { type Disk, folderOf } from './disk.js';
import type { Fingerprints } from './storage.js';

/**
 * An undo journal: the original bytes of a model's files before an update changed them.
 *
 * A header of 56 bytes: magic (16), base and next fingerprint (16 each), XXH64 of these. Then entries: kind
 * (1 byte), length of the path (2), offset in the file (8), number of bytes (4), all little-endian; the path
 * in UTF-8, the bytes, and XXH64 of the header's checksum, the entry's offset in the journal (8 bytes) and
 * the entry. An entry without a valid checksum was not completed: the journal ends before it.
 */
const MAGIC = encodeUtf8('neural-diff undo');
const CHECKSUM_BYTES = 8;
const HEADER_BYTES = MAGIC.length + 2 * FINGERPRINT_BYTES + CHECKSUM_BYTES;
const HEAD_BYTES = 15;
const MARK_BYTES = HEAD_BYTES + CHECKSUM_BYTES;

/** Maximum bytes of an entry's content. */
const MAX_ENTRY_BYTES = 2 ** 20;

/** Kinds of entries: original bytes of a file, the update is complete, the update is being undone. */
const KINDS = ['saved', 'committed', 'undoing'] as const;

/** An entry of a journal; path, offset and bytes of a mark are empty. */
interface JournalEntry {
  readonly kind: (typeof KINDS)[number];
  readonly path: string;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** An entry that was read, and where its content begins in the journal. */
export interface ReadEntry extends JournalEntry {
  readonly at: number;
}

/** The state recorded in a journal. */
interface JournalFacts extends Fingerprints {
  readonly isCommitted: boolean;
  readonly isUndoing: boolean;
}

/** Appends to a journal; entries are durable once `sync` returns. */
export interface JournalWriter {
  append(entry: JournalEntry): Promise<void>;
  /** Appends an entry without content. */
  mark(kind: 'committed' | 'undoing'): Promise<void>;
  sync(): Promise<void>;
}

/**
 * Creates a journal; its name and header are durable when the promise settles.
 *
 * @throws NeuralDiffError `storage-mismatch` if a file of its name exists
 */
export async function createJournal(
  disk: Disk,
  path: string,
  { base, next }: Fingerprints,
): Promise<JournalWriter> {
  if ((await disk.size(path)) !== undefined) throw notAJournal(path);
  const header = new Uint8Array(HEADER_BYTES - CHECKSUM_BYTES);
  header.set(MAGIC);
  header.set(fromHex(base), MAGIC.length);
  header.set(fromHex(next), MAGIC.length + FINGERPRINT_BYTES);
  const checksum = await xxh64(header);
  await disk.write(path, 0, concatBytes([header, checksum]));
  await disk.sync(path);
  await disk.syncDirectory(folderOf(path));
  return createWriter(disk, cursorAfterHeader(path, checksum));
}

/** A position in a journal. */
interface Cursor {
  readonly path: string;
  readonly headerChecksum: Uint8Array;
  /** Offset of the next entry. */
  at: number;
  /** Reusable buffer for an entry that is written. */
  buffer: Uint8Array;
}

function cursorAfterHeader(path: string, headerChecksum: Uint8Array): Cursor {
  return { path, headerChecksum, at: HEADER_BYTES, buffer: new Uint8Array(0) };
}

function createWriter(disk: Disk, cursor: Cursor): JournalWriter {
  const append = async (entry: JournalEntry): Promise<void> => {
    const bytes = await encodeEntry(entry, cursor);
    await disk.write(cursor.path, cursor.at, bytes);
    cursor.at += bytes.length;
  };
  return {
    append,
    async mark(kind) {
      await append({ kind, path: '', offset: 0, bytes: new Uint8Array(0) });
      // Reserve space for the next mark, so that an update can be undone on a full disk.
      if (kind === 'committed') await disk.write(cursor.path, cursor.at, new Uint8Array(MARK_BYTES));
    },
    sync: () => disk.sync(cursor.path),
  };
}

/** An existing journal. */
export interface OpenJournal {
  readonly facts: JournalFacts;
  /** Visits the complete entries, in order. */
  eachEntry(visit: (entry: ReadEntry) => Promise<void> | void): Promise<void>;
  /** Appends after the last complete entry. */
  readonly writer: JournalWriter;
}

/**
 * Opens the journal that an interrupted or unconfirmed update left.
 *
 * @returns undefined if there is none; `torn` if its header is incomplete, in which case nothing was changed
 * @throws NeuralDiffError `storage-mismatch` for any other content, also for a damaged header that is
 *   followed by entries
 */
export async function openJournal(disk: Disk, path: string): Promise<OpenJournal | 'torn' | undefined> {
  const size = await disk.size(path);
  if (size === undefined) return undefined;
  const start = new Uint8Array(Math.min(size, HEADER_BYTES));
  await disk.readInto(path, 0, start);
  const header = await parseHeader(start);
  if (header === undefined) {
    if (size <= HEADER_BYTES && isTorn(start)) return 'torn';
    throw notAJournal(path);
  }
  const { fingerprints, checksum } = header;
  const cursor = cursorAfterHeader(path, checksum);
  const kinds = new Set<JournalEntry['kind']>();
  await readEntries({ disk, cursor }, ({ kind }) => {
    kinds.add(kind);
  });
  const facts = { ...fingerprints, isCommitted: kinds.has('committed'), isUndoing: kinds.has('undoing') };
  const eachEntry: OpenJournal['eachEntry'] = (visit) =>
    readEntries({ disk, cursor: cursorAfterHeader(path, checksum) }, visit);
  return { facts, eachEntry, writer: createWriter(disk, cursor) };
}

function notAJournal(path: string): NeuralDiffError {
  const why = 'the checksum of its header does not match; move it away if the model is good';
  return new NeuralDiffError('storage-mismatch', `Cannot read journal "${path}": ${why}`);
}

/** @returns whether a power loss may have left this of a header: its first bytes, or zeros in their place */
function isTorn(start: Uint8Array): boolean {
  return start.subarray(0, MAGIC.length).every((byte, i) => byte === 0 || byte === MAGIC[i]);
}

async function parseHeader(
  bytes: Uint8Array,
): Promise<{ fingerprints: Fingerprints; checksum: Uint8Array } | undefined> {
  if (bytes.length < HEADER_BYTES) return undefined;
  const header = bytes.subarray(0, HEADER_BYTES - CHECKSUM_BYTES);
  const checksum = bytes.subarray(header.length);
  if (!equalBytes(await xxh64(header), checksum)) return undefined;
  if (!equalBytes(header.subarray(0, MAGIC.length), MAGIC)) return undefined;
  const [base, next] = [0, FINGERPRINT_BYTES].map((at) =>
    hex(header.subarray(MAGIC.length + at).subarray(0, FINGERPRINT_BYTES)),
  );
  return { fingerprints: { base: base as string, next: next as string }, checksum };
}

/** Visits a journal's complete entries, in order, and moves the cursor to the end of each. */
async function readEntries(
  { disk, cursor }: { disk: Disk; cursor: Cursor },
  visit: (entry: ReadEntry) => Promise<void> | void,
): Promise<void> {
  const { path } = cursor;
  const size = (await disk.size(path)) as number;
  for (;;) {
    const bytes = await readEntryBytes(disk, { path, at: cursor.at, size });
    const entry = bytes && (await decodeEntry(bytes, cursor));
    if (bytes === undefined || entry === undefined) return;
    const at = cursor.at + bytes.length - CHECKSUM_BYTES - entry.bytes.length;
    cursor.at += bytes.length;
    await visit({ ...entry, at });
  }
}

/**
 * @returns the bytes of the entry at an offset, not verified; undefined at the end or for an implausible head
 */
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
  cursor: Pick<Cursor, 'headerChecksum' | 'at'>,
): Promise<JournalEntry | undefined> {
  const entry = bytes.subarray(0, bytes.length - CHECKSUM_BYTES);
  if (!equalBytes(await checksumOf(entry, cursor), bytes.subarray(entry.length))) return undefined;
  const { kind, pathBytes, offset } = parseHead(entry);
  const path = decodeUtf8(entry.subarray(HEAD_BYTES, HEAD_BYTES + pathBytes));
  return {
    kind: KINDS[kind] as JournalEntry['kind'],
    path,
    offset,
    bytes: entry.subarray(HEAD_BYTES + pathBytes),
  };
}

/** @returns the encoded entry, in the cursor's buffer */
async function encodeEntry({ kind, path, offset, bytes }: JournalEntry, cursor: Cursor): Promise<Uint8Array> {
  const name = encodeUtf8(path);
  const length = HEAD_BYTES + name.length + bytes.length + CHECKSUM_BYTES;
  if (cursor.buffer.length < length)
    cursor.buffer = new Uint8Array(Math.max(length, 2 * cursor.buffer.length));
  const result = cursor.buffer.subarray(0, length);
  const view = new DataView(result.buffer, result.byteOffset);
  view.setUint8(0, KINDS.indexOf(kind));
  view.setUint16(1, name.length, true);
  view.setBigUint64(3, BigInt(offset), true);
  view.setUint32(11, bytes.length, true);
  result.set(name, HEAD_BYTES);
  result.set(bytes, HEAD_BYTES + name.length);
  const entry = result.subarray(0, length - CHECKSUM_BYTES);
  result.set(await checksumOf(entry, cursor), entry.length);
  return result;
}

/** Computes an entry's checksum, which binds it to this journal and to its offset. */
async function checksumOf(
  entry: Uint8Array,
  { headerChecksum, at }: Pick<Cursor, 'headerChecksum' | 'at'>,
): Promise<Uint8Array> {
  const offset = new Uint8Array(8);
  new DataView(offset.buffer).setBigUint64(0, BigInt(at), true);
  const checksum = await createChecksum();
  for (const part of [headerChecksum, offset, entry]) checksum.update(part);
  return checksum.digest();
}
