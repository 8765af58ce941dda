import type { TensorInfo } from '../model/tensor.js';
import type { Bytes } from './byte-source.js';
import { type BitCoder, Contexts, MagnitudeCoding, SLOW } from './coding.js';
import type { DenseOp } from './diff.js';
import { corrupt, MAX_DENSE_LEVEL } from './limits.js';
import { RangeDecoder } from './range-decoder.js';
import { codeTensors, ScaleCoding } from './record-head.js';

/**
 * Codes levels that may be 0: whether a level is 0, predicted from the level before; then its sign and
 * magnitude.
 */
export class DenseLevels {
  readonly #zeros = new Contexts(2, SLOW);
  readonly #signs = new Contexts(1, SLOW);
  readonly #magnitudes: MagnitudeCoding;
  readonly #coder: BitCoder;
  readonly #most: number;
  #previous = 0;

  /** @param most magnitude of a level */
  constructor(coder: BitCoder, most = MAX_DENSE_LEVEL) {
    this.#coder = coder;
    this.#most = most;
    this.#magnitudes = new MagnitudeCoding(coder, SLOW);
  }

  /**
   * @param level for an encoder: the level
   * @throws NeuralDiffError `corrupt-payload` for a level out of range
   */
  code(level = 0): number {
    this.#previous = this.#coder.bit(this.#zeros, this.#previous, level === 0 ? 0 : 1);
    if (this.#previous === 0) return 0;
    const negative = this.#coder.bit(this.#signs, 0, level < 0 ? 1 : 0);
    const magnitude = this.#magnitudes.code(Math.abs(level));
    if (magnitude > this.#most) throw corrupt(`a level of ${magnitude} is out of range`);
    return negative === 1 ? -magnitude : magnitude;
  }
}

/** Reads a dense record sequentially, a run of elements at a time. */
export class DenseReader {
  /** Its tensors, in canonical order. */
  readonly tensors: readonly TensorInfo[];
  readonly decoder: RangeDecoder;
  readonly #scales: ScaleCoding;
  readonly #levels: DenseLevels;
  #scale = 0;

  constructor(record: Bytes, infos: readonly TensorInfo[]) {
    this.decoder = new RangeDecoder(record);
    this.tensors = codeTensors(this.decoder, infos);
    this.#scales = new ScaleCoding(this.decoder);
    this.#levels = new DenseLevels(this.decoder);
  }

  /** @returns the op for a run of elements; runs must be consecutive */
  read(info: TensorInfo, { start, end }: { start: number; end: number }): DenseOp {
    if (start === 0) this.#scale = this.#scales.code(info);
    const levels = new Int8Array(end - start);
    for (let i = 0; i < levels.length; i++) levels[i] = this.#levels.code();
    const op = { kind: 'dense' as const, tensor: info.name, scale: this.#scale, levels };
    return start === 0 ? op : { ...op, first: start };
  }
}
