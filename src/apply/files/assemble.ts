import { equalBytes, hex } from '../../model/bytes.js';
import { NeuralDiffError } from '../../model/errors.js';
import { Sha256Stream } from '../../model/sha256-stream.js';
import type { NewFile } from '../../payload/files-record.js';
import type { OpenPayload } from '../../payload/open-payload.js';
import { borrowChunks, type ChunkOptions } from '../chunks.js';
import type { Frame } from './frame.js';

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
 * Makes the new files, a piece at a time, and checks each against its SHA-256 at its end.
 *
 * @throws NeuralDiffError `result-mismatch` for a file that is not the stated one; those of `borrowChunks`
 */
export async function* borrowFiles(assembly: Assembly): AsyncGenerator<FilePiece> {
  const { createSha256 = () => new Sha256Stream() } = assembly;
  const files = assembly.frame.record.files.values();
  let file = files.next().value as NewFile;
  let [offset, hash] = [0, createSha256()];
  for await (const bytes of borrowBytes(assembly)) {
    for (let at = 0; at < bytes.length; ) {
      while (offset === file.bytes) {
        checkDigest(file, hash.finish());
        file = files.next().value as NewFile;
        [offset, hash] = [0, createSha256()];
      }
      const piece = bytes.subarray(at, at + file.bytes - offset);
      hash.add(piece);
      yield { file, offset, bytes: piece };
      at += piece.length;
      offset += piece.length;
    }
  }
  checkDigest(file, hash.finish());
  // Files without bytes at the end.
  for (const rest of files) checkDigest(rest, createSha256().finish());
}

/** Yields the bytes of all files: structure and tensors in turn. */
async function* borrowBytes({ frame, payload, structure, ...options }: Assembly): AsyncGenerator<Uint8Array> {
  const { tensors } = frame.record;
  let [at, index] = [0, 0];
  for await (const chunk of borrowChunks(frame.store, payload, options)) {
    if (chunk.byteOffset === 0) {
      const { gap } = tensors[index++] as (typeof tensors)[number];
      yield structure.subarray(at, at + gap);
      at += gap;
    }
    yield chunk.after;
  }
  yield structure.subarray(at);
}

function checkDigest({ path, sha256 }: NewFile, found: Uint8Array): void {
  if (equalBytes(sha256, found)) return;
  const facts = { expected: hex(sha256), found: hex(found) };
  const message = `Cannot apply payload: expected "${path}" with SHA-256 ${facts.expected}, got ${facts.found}`;
  throw new NeuralDiffError('result-mismatch', message, { facts });
}
