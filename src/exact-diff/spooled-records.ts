import { concatBytes } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { type ByteSource, sliceOf, sourceOf } from '../payload/byte-source.js';
import { MAX_PAYLOAD_BYTES } from '../payload/limits.js';
import type { EncodedRecord } from './lane.js';

/** A record being written. */
export interface SpooledRecord {
  /** Appends bytes, which are valid only during the call. */
  sink(bytes: Uint8Array): void;
  /** Call once all records are written. */
  finish(): EncodedRecord;
}

/** A byte range of the spool that belongs to a record. */
interface Piece {
  /** Offset within the record. */
  readonly at: number;
  readonly start: number;
  end: number;
}

/** Writes records concurrently into one spool. */
export class SpooledRecords {
  readonly #spool: Spool;
  #length = 0;
  #written: ByteSource | undefined;

  constructor(spool: Spool) {
    this.#spool = spool;
  }

  /** @returns a record whose sink throws `limit-exceeded` as soon as the payload exceeds its largest size */
  open(kind: EncodedRecord['kind']): SpooledRecord {
    const pieces: Piece[] = [];
    let at = 0;
    return {
      sink: (bytes) => {
        const start = this.#length;
        this.#write(bytes);
        const last = pieces.at(-1);
        if (last?.end === start) last.end = this.#length;
        else pieces.push({ at, start, end: this.#length });
        at += bytes.length;
      },
      finish: () => ({ kind, bytes: this.#read(pieces, at) }),
    };
  }

  #write(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > MAX_PAYLOAD_BYTES) throw tooLarge(length);
    this.#spool.write(bytes);
    this.#length = length;
  }

  #read(pieces: readonly Piece[], length: number): ByteSource {
    this.#written ??= this.#spool.read();
    const written = this.#written;
    // Records are mostly read from front to back, so start from the last piece.
    let i = 0;
    return {
      length,
      borrow(at, buffer) {
        if ((pieces[i] as Piece).at > at) i = 0;
        while (i + 1 < pieces.length && (pieces[i + 1] as Piece).at <= at) i++;
        const piece = pieces[i] as Piece;
        return sliceOf(written, piece.start, piece.end).borrow(at - piece.at, buffer);
      },
    };
  }
}

/** @param bytes actual or estimated size of the records */
export function tooLarge(bytes: number): NeuralDiffError {
  const facts = { limit: MAX_PAYLOAD_BYTES, got: Math.round(bytes) };
  const message = `Cannot pack diff: expected at most ${facts.limit} bytes, got ${facts.got} or more; ship the full model, or a lossy diff`;
  return new NeuralDiffError('limit-exceeded', message, { facts });
}

/** Buffers the bytes of records until all of them are written. */
export interface Spool {
  /** Appends bytes, which are valid only during the call. */
  write(bytes: Uint8Array): void;
  /** @returns all bytes written so far */
  read(): ByteSource;
}

/** @returns a spool in memory */
export function createMemorySpool(): Spool {
  const pieces: Uint8Array[] = [];
  return {
    write: (bytes) => void pieces.push(bytes.slice()),
    read: () => sourceOf(concatBytes(pieces)),
  };
}
