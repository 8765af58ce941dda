import { concatBytes } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { type ByteSource, sliceOf, sourceOf } from '../payload/byte-source.js';
import { MAX_PAYLOAD_BYTES } from '../payload/limits.js';
import type { EncodedRecord } from './lane.js';

/** A record that is being written. */
export interface SpooledRecord {
  /** Takes the next bytes, which are valid during the call alone. */
  sink(bytes: Uint8Array): void;
  /** To be called when all records are written. */
  finish(): EncodedRecord;
}

/** A run of a record's bytes in the spool. */
interface Piece {
  /** Bytes of the record before it. */
  readonly at: number;
  readonly start: number;
  end: number;
}

/** Writes records side by side into one spool. */
export class SpooledRecords {
  readonly #spool: Spool;
  #length = 0;
  #written: ByteSource | undefined;

  constructor(spool: Spool) {
    this.#spool = spool;
  }

  /** @returns a record whose sink throws `limit-exceeded` as soon as there is more than payloads may have, not when all is coded and checked */
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
    // Records are read from front to back.
    let i = 0;
    return {
      length,
      borrow(at, room) {
        if ((pieces[i] as Piece).at > at) i = 0;
        while (i + 1 < pieces.length && (pieces[i + 1] as Piece).at <= at) i++;
        const piece = pieces[i] as Piece;
        return sliceOf(written, piece.start, piece.end).borrow(at - piece.at, room);
      },
    };
  }
}

/** @param bytes what the records take, or will take */
export function tooLarge(bytes: number): NeuralDiffError {
  const facts = { limit: MAX_PAYLOAD_BYTES, got: Math.round(bytes) };
  const message = `Cannot pack diff: it takes ${facts.got} bytes or more, payloads at most ${facts.limit}; ship the full model, or a lossy diff`;
  return new NeuralDiffError('limit-exceeded', message, { facts });
}

/** Where a record's bytes wait until the last of them is known. */
export interface Spool {
  /** Takes the next bytes; they are valid during the call alone. */
  write(bytes: Uint8Array): void;
  /** @returns all bytes that were written */
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
