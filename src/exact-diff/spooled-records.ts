import { concatBytes } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { type ByteSource, joinSources, MAX_HELD_BYTES, sliceOf, sourceOf } from '../payload/byte-source.js';
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
    return {
      sink: (bytes) => {
        const start = this.#length;
        this.#write(bytes);
        const last = pieces.at(-1);
        if (last?.end === start) last.end = this.#length;
        else pieces.push({ start, end: this.#length });
      },
      finish: () => ({ kind, bytes: this.#read(pieces) }),
    };
  }

  #write(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > MAX_PAYLOAD_BYTES) throw tooLarge(length);
    this.#spool.write(bytes);
    this.#length = length;
  }

  #read(pieces: readonly Piece[]): ByteSource {
    this.#written ??= this.#spool.read();
    const written = this.#written;
    return joinSources(pieces.map(({ start, end }) => sliceOf(written, start, end)));
  }
}

/** @param bytes actual or estimated size of the records */
export function tooLarge(bytes: number, limit = MAX_PAYLOAD_BYTES): NeuralDiffError {
  const facts = { limit, got: Math.round(bytes) };
  const help = limit < MAX_PAYLOAD_BYTES ? 'pass a spool on disk (createFileSpool)' : 'ship the full model';
  const message = `Cannot pack diff: expected at most ${facts.limit} bytes, got ${facts.got} or more; ${help}, or a lossy diff`;
  return new NeuralDiffError('limit-exceeded', message, { facts });
}

/** Buffers the bytes of records until all of them are written. */
export interface Spool {
  /** Appends bytes, which are valid only during the call. */
  write(bytes: Uint8Array): void;
  /** @returns all bytes written so far */
  read(): ByteSource;
}

/** @returns a spool in memory, whose `write` throws `limit-exceeded` above `MAX_HELD_BYTES` */
export function createMemorySpool(): Spool {
  const pieces: Uint8Array[] = [];
  let length = 0;
  return {
    write(bytes) {
      length += bytes.length;
      if (length > MAX_HELD_BYTES) throw tooLarge(length, MAX_HELD_BYTES);
      pieces.push(bytes.slice());
    },
    read: () => sourceOf(concatBytes(pieces)),
  };
}
