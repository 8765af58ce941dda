import type { TensorInfo } from '../model/index.js';
import type { SetOp } from './diff.js';
import { RangeEncoder } from './range-encoder.js';
import { codeTensors } from './record-head.js';
import { ElementCoding } from './set-record.js';

/** What a set record is about. */
export interface SetWriterOptions {
  /** Names of the record's tensors, at least one. */
  readonly tensors: ReadonlySet<string>;
  /** Takes bytes as they come; without one `finish` gives all of them. */
  readonly sink?: ((bytes: Uint8Array) => void) | undefined;
}

/** Writes a set record from front to back, a run of elements at a time: the other side of `SetReader`. */
export class SetWriter {
  readonly #encoder: RangeEncoder;
  readonly #elements: ElementCoding;

  /** @param infos the model's tensors, in canonical order */
  constructor(infos: readonly TensorInfo[], { tensors, sink }: SetWriterOptions) {
    this.#encoder = new RangeEncoder(sink);
    codeTensors(this.#encoder, infos, tensors);
    this.#elements = new ElementCoding(this.#encoder);
  }

  /** @param bytes the next elements of the record's tensors, from a multiple of their size in their buffer */
  write(info: TensorInfo, bytes: Uint8Array): void {
    this.#elements.code(info, bytes);
  }

  /** @returns the bytes that no sink has */
  finish(): Uint8Array {
    return this.#encoder.finish();
  }
}

/** @returns the record of some set ops with ascending tensors, at least one */
export function encodeSet(ops: readonly SetOp[], infos: readonly TensorInfo[]): Uint8Array {
  const byName = new Map(infos.map((info) => [info.name, info]));
  const writer = new SetWriter(infos, { tensors: new Set(ops.map((op) => op.tensor)) });
  // Elements may start anywhere in their buffer.
  for (const { tensor, bytes } of ops) writer.write(byName.get(tensor) as TensorInfo, bytes.slice());
  return writer.finish();
}

/** Codes samples of a tensor's elements for a set record of their own; nothing is held of them. */
export class SetTrial {
  // What a trial writes is not kept.
  readonly #encoder = new RangeEncoder(() => {});
  readonly #elements = new ElementCoding(this.#encoder);

  /** @param bytes elements, from a multiple of their size in their buffer */
  add(info: TensorInfo, bytes: Uint8Array): void {
    this.#elements.code(info, bytes);
  }

  /** Bits that the elements take. */
  get bits(): number {
    return this.#encoder.cost;
  }
}
