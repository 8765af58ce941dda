import { DTYPES, type TensorInfo } from '../model/index.js';
import { DiffReader, type OpenPayload, orderedBits, patchRange } from '../payload/index.js';
import type { BytePair } from './borrow-pairs.js';
import { countChanged } from './differences.js';

/** A record that was written. */
export type EncodedRecord = OpenPayload['records'][number];

/** Records, and the model that they are for. */
export interface RecordsOf {
  readonly records: readonly EncodedRecord[];
  /** The model's tensors, in canonical order. */
  readonly infos: readonly TensorInfo[];
}

/** Decodes what was written, applies it to the base, in place, and compares the result with the next model. */
export class RecordCheck {
  readonly #reader: DiffReader;

  constructor({ records, infos }: RecordsOf) {
    this.#reader = new DiffReader({ records }, infos);
  }

  take(info: TensorInfo, { byteOffset, before, after }: BytePair): void {
    const start = byteOffset / DTYPES[info.dtype].bytes;
    const end = start + before.length / DTYPES[info.dtype].bytes;
    patchRange(this.#reader.read(info, { start, end }), info, { startElement: start, bytes: before });
    const wrong = countChanged(orderedBits(info, before).words, orderedBits(info, after).words);
    if (wrong > 0) throw new Error(`The packed diff gives another "${info.name}"`);
  }

  finish(): void {}
}
