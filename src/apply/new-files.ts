import { equalBytes, hex } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { type FingerprintOptions, fingerprint } from '../model/fingerprint.js';
import { Sha256Stream } from '../model/sha256-stream.js';
import type { WeightStore } from '../model/store.js';
import { canonicalOrder, checkNotEmpty } from '../model/tensor.js';
import type { ByteSource } from '../payload/byte-source.js';
import { checkLayout, DiffReader } from '../payload/decode.js';
import {
  digestStructure,
  type FilesFacts,
  factsOf,
  type NewFile,
  type OpenFilesRecord,
  openFilesRecord,
  openFrameStore,
} from '../payload/files-record.js';
import { MAX_STRUCTURE_BYTES } from '../payload/limits.js';
import type { OpenPayload } from '../payload/open-payload.js';
import { type ChunkOptions, eachChunk, type Visit } from './chunks.js';

/** The new files of a payload as a model: the *frame*, whose elements are those of the base, or zeros. */
export interface Frame {
  readonly record: OpenFilesRecord;
  /** The tensors that other records of the payload patch. */
  readonly store: WeightStore;
  readonly facts: FilesFacts;
}

/**
 * Opens the frame of a payload of files.
 *
 * @param base the base; it is not read yet
 * @throws NeuralDiffError `wrong-layout` for another base; `corrupt-payload`, `limit-exceeded`, `unsafe-path`
 */
export async function openFrame(base: WeightStore, payload: OpenPayload): Promise<Frame> {
  await checkLayout(payload, base.tensors);
  checkNotEmpty(base.tensors);
  const sources = canonicalOrder(base.tensors);
  const record = openFilesRecord(payload.files as ByteSource, sources);
  const { touched } = new DiffReader(payload, record.tensors);
  const store = openFrameStore(base, { tensors: record.tensors, sources });
  return { record, store, facts: factsOf(record, touched) };
}

/**
 * Reads the structure of the base's files that a payload needs.
 *
 * @returns no bytes if it needs none
 * @throws NeuralDiffError `wrong-base` if the weights are in other files than the payload was made for
 */
export async function readBaseStructure(
  store: WeightStore,
  { base }: Pick<OpenFilesRecord, 'base'>,
): Promise<Uint8Array> {
  if (base === undefined) return new Uint8Array(0);
  const parts = await store.parts?.();
  const found = await parts?.structure(MAX_STRUCTURE_BYTES);
  const digest = found && (await digestStructure(found));
  if (found && found.length === base.bytes && hex(digest as Uint8Array) === hex(base.digest)) return found;
  const facts = { expected: hex(base.digest), found: digest ? hex(digest) : '' };
  const met = digest
    ? `one whose bytes outside of the tensors differ (${facts.found}, not ${facts.expected})`
    : 'weights without their file';
  const message = `Cannot apply payload: expected the very file that it was made for, got ${met}; use that file, or ship the full model`;
  throw new NeuralDiffError('wrong-base', message, { facts });
}

/** Incremental SHA-256. */
export type CreateSha256 = () => { add(piece: Uint8Array): void; finish(): Uint8Array };

/** A piece of a new file, in the order of the files' bytes; valid until the next one. */
export interface FilePiece {
  readonly file: NewFile;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** What new files are made from, and how. */
export interface Assembly extends ChunkOptions {
  readonly frame: Frame;
  readonly payload: OpenPayload;
  /** Bytes that belong to no tensor. */
  readonly structure: Uint8Array;
  readonly createSha256?: CreateSha256 | undefined;
}

/**
 * Makes the new files, visits them a piece at a time, and checks each against its SHA-256 at its end.
 *
 * @throws NeuralDiffError `result-mismatch` for a file that is not the stated one; those of `eachChunk`
 */
export async function eachPiece(assembly: Assembly, visit: Visit<FilePiece>): Promise<void> {
  const { createSha256 = () => new Sha256Stream() } = assembly;
  const files = assembly.frame.record.files.values();
  let file = files.next().value as NewFile;
  let [offset, hash] = [0, createSha256()];
  await eachRange(assembly, async (bytes) => {
    for (let at = 0; at < bytes.length; ) {
      while (offset === file.bytes) {
        checkDigest(file, hash.finish());
        file = files.next().value as NewFile;
        [offset, hash] = [0, createSha256()];
      }
      const piece = bytes.subarray(at, at + file.bytes - offset);
      hash.add(piece);
      await visit({ file, offset, bytes: piece });
      at += piece.length;
      offset += piece.length;
    }
  });
  checkDigest(file, hash.finish());
  // Files without bytes at the end.
  for (const rest of files) checkDigest(rest, createSha256().finish());
}

/** Visits the bytes of all files: structure and tensors in turn. */
async function eachRange(
  { frame, structure, ...options }: Assembly,
  visit: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  const { tensors } = frame.record;
  let [at, index] = [0, 0];
  await eachChunk({ ...options, store: frame.store }, async (chunk) => {
    if (chunk.byteOffset === 0) {
      const { gap } = tensors[index++] as (typeof tensors)[number];
      await visit(structure.subarray(at, at + gap));
      at += gap;
    }
    await visit(chunk.after);
  });
  await visit(structure.subarray(at));
}

function checkDigest({ path, sha256 }: NewFile, found: Uint8Array): void {
  if (equalBytes(sha256, found)) return;
  const facts = { expected: hex(sha256), found: hex(found) };
  const message = `Cannot apply payload: expected "${path}" with SHA-256 ${facts.expected}, got ${facts.found}`;
  throw new NeuralDiffError('result-mismatch', message, { facts });
}

/** A model that was checked for a payload of files; `found` is its fingerprint. */
type CheckedBase =
  | { readonly isCurrent: true; readonly found: string }
  | {
      readonly isCurrent: false;
      readonly found: string;
      readonly frame: Frame;
      /** Bytes of the new files that belong to no tensor. */
      readonly structure: Uint8Array;
    };

/**
 * Checks that a model is the base of a payload of files: its layout, its fingerprint, and the rest of its
 * files where the payload needs it; or that it is the next model already. Reads the model once.
 *
 * @throws NeuralDiffError `wrong-layout`, `wrong-base`; those of reading payload and model
 */
export async function checkFilesBase(
  store: WeightStore,
  payload: OpenPayload,
  options: FingerprintOptions,
): Promise<CheckedBase> {
  const { base, next } = payload.header;
  const frame = await openFrame(store, payload).catch((error: NeuralDiffError) => error);
  const isOther = frame instanceof Error && (frame.code !== 'wrong-layout' || store.tensors.length === 0);
  if (isOther) throw frame;
  const found = await fingerprint(store, options);
  if (found === next && base !== next) return { found, isCurrent: true };
  if (frame instanceof Error) throw frame;
  if (found !== base) {
    const facts = { expected: base, found };
    const message = `Cannot apply payload: expected a base with fingerprint ${base}, got ${found}`;
    throw new NeuralDiffError('wrong-base', message, { facts });
  }
  const known = await readBaseStructure(store, frame.record);
  const structure = await frame.record.readStructure(known, options.signal);
  return { isCurrent: false, found, frame, structure };
}

/**
 * Makes the new files in memory, a piece at a time, and checks their SHA-256. Writes nothing.
 *
 * @returns the model's fingerprint, what would be made, and the bytes of it; nothing for the next model
 * @throws NeuralDiffError as `checkFilesBase`; `result-mismatch`
 */
export async function planFiles(
  store: WeightStore,
  payload: OpenPayload,
  options: Omit<Assembly, 'frame' | 'payload' | 'structure'> & FingerprintOptions,
): Promise<{ found: string; files?: FilesFacts; bytesWritten: number }> {
  const { signal, ...rest } = options;
  const checked = await checkFilesBase(store, payload, options);
  const { found } = checked;
  if (checked.isCurrent) return { found, bytesWritten: 0 };
  const { frame, structure } = checked;
  const files = frame.facts;
  let bytesWritten = 0;
  const assembly = { ...rest, ...(signal && { signal }), frame, payload, structure };
  await eachPiece(assembly, ({ bytes }) => {
    bytesWritten += bytes.length;
  });
  return { found, files, bytesWritten };
}
