import { byteLength, DTYPES, type TensorInfo } from '../model/tensor.js';
import type { Bytes } from './byte-source.js';
import { type BitCoder, Contexts, codeWide, FAST } from './coding.js';
import type { SetOp } from './diff.js';
import { orderedBits } from './ordered-bits.js';
import { RangeDecoder } from './range-decoder.js';
import { codeTensors } from './record-head.js';

/**
 * Upper bits of an element that are predicted: sign and exponent of a binary32. The others are close to
 * uniform.
 */
const PREDICTED = 9;

/** Codes whole elements: upper bits, highest first, each predicted from the bits above it; the others raw. */
export class ElementCoding {
  /** Contexts for 1-byte elements, and for wider ones. */
  readonly #bytes = new Contexts(2 ** 8, FAST);
  readonly #words = new Contexts(2 ** PREDICTED, FAST);
  readonly #coder: BitCoder;

  constructor(coder: BitCoder) {
    this.#coder = coder;
  }

  /** Codes a run of elements: an encoder leaves them unchanged, a decoder fills them in. */
  code(info: TensorInfo, run: Uint8Array): void {
    const { words } = orderedBits(info, run);
    const width = 8 * DTYPES[info.dtype].bytes;
    const predicted = Math.min(PREDICTED, width);
    const contexts = width === 8 ? this.#bytes : this.#words;
    const rest = width - predicted;
    for (let i = 0; i < words.length; i++) {
      const word = words[i] as number;
      let node = 1;
      for (let left = width - 1; left >= rest; left--)
        node = 2 * node + this.#coder.bit(contexts, node, (word >>> left) & 1);
      words[i] = ((node << rest) | codeWide(this.#coder, rest, word)) >>> 0;
    }
  }
}

/** Reads a set record sequentially, a run of elements at a time. */
export class SetReader {
  /** Its tensors, in canonical order. */
  readonly tensors: readonly TensorInfo[];
  readonly decoder: RangeDecoder;
  readonly #elements: ElementCoding;

  constructor(record: Bytes, infos: readonly TensorInfo[]) {
    this.decoder = new RangeDecoder(record);
    this.tensors = codeTensors(this.decoder, infos);
    this.#elements = new ElementCoding(this.decoder);
  }

  /** @returns the op for a run of elements; runs must be consecutive */
  read(info: TensorInfo, { start, end }: { start: number; end: number }): SetOp {
    const bytes = new Uint8Array(byteLength({ ...info, shape: [end - start] }));
    this.#elements.code(info, bytes);
    const op = { kind: 'set' as const, tensor: info.name, bytes };
    return start === 0 ? op : { ...op, first: start };
  }
}
