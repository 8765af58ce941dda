import { DTYPES, elementCount, type TensorInfo } from '../model/tensor.js';
import type { Bytes } from './byte-source.js';
import { type BitCoder, Contexts, codeWide, MagnitudeCoding, NumberCoding, SLOW } from './coding.js';
import type { Buckets, DenseOp, HashOp } from './diff.js';
import { beyondLimit, corrupt, MAX_BLOCK, MAX_BUCKETS, MAX_DENSE_LEVEL } from './limits.js';
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
  #previous = 0;

  constructor(coder: BitCoder) {
    this.#coder = coder;
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
    if (magnitude > MAX_DENSE_LEVEL) throw corrupt(`a level of ${magnitude} is out of range`);
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

/** The parameters that map weights to buckets in a hash op. */
export type Placement = Pick<HashOp, 'seed' | 'block'> & { readonly count: number };

/** Codes the seed, the number of weights per block and the number of buckets. */
export function codePlacement(
  coder: BitCoder,
  { seed, block, count }: Placement = { seed: 0, block: 1, count: 1 },
): Placement {
  const numbers = new NumberCoding(coder, SLOW);
  return {
    seed: codeWide(coder, 32, seed),
    block: numbers.code(block - 1) + 1,
    count: numbers.code(count - 1) + 1,
  };
}

/** Codes buckets: levels, or float32 values without prediction. */
export function codeBuckets(coder: BitCoder, buckets: Buckets): Buckets {
  const isFloat = coder.raw(1, buckets.coding === 'float' ? 1 : 0) === 1;
  return isFloat ? codeFloats(coder, buckets) : codeLevels(coder, buckets);
}

function codeFloats(coder: BitCoder, { values: input }: Buckets): Buckets {
  const bits = new Uint32Array(new Float32Array(input).buffer);
  for (let i = 0; i < bits.length; i++) bits[i] = codeWide(coder, 32, bits[i] as number);
  return { coding: 'float', values: new Float32Array(bits.buffer) };
}

function codeLevels(coder: BitCoder, { values: input }: Buckets): Buckets {
  const levels = new DenseLevels(coder);
  const values = new Int8Array(input.length);
  for (let i = 0; i < values.length; i++) values[i] = levels.code(input[i]);
  return { coding: 'levels', values };
}

/** Reads a whole hash record at once, since any run of elements may need any bucket. */
export class HashReader {
  /** Its tensors, in canonical order. */
  readonly tensors: readonly TensorInfo[];
  readonly decoder: RangeDecoder;
  readonly #op: HashOp;

  constructor(record: Bytes, infos: readonly TensorInfo[]) {
    const decoder = new RangeDecoder(record);
    this.decoder = decoder;
    this.tensors = codeTensors(decoder, infos);
    const { seed, block, count } = codePlacement(decoder);
    if (block > MAX_BLOCK) throw beyondLimit('weights per block', MAX_BLOCK, block);
    if (count > MAX_BUCKETS) throw beyondLimit('buckets', MAX_BUCKETS, count);
    const weights = this.tensors.reduce((sum, info) => sum + elementCount(info), 0);
    if (count > Math.max(1, weights))
      throw corrupt(`expected at most as many buckets as weights (${weights}), got ${count}`);
    const scales = new ScaleCoding(decoder);
    const tensors = this.tensors.map((info) => ({ tensor: info.name, scale: scales.code(info) }));
    const buckets = codeBuckets(decoder, { coding: 'levels', values: new Int8Array(count) });
    if (buckets.coding === 'float') checkFloats(buckets.values, this.tensors);
    this.#op = { kind: 'hash', tensors, seed, block, buckets };
  }

  read(): HashOp {
    return this.#op;
  }
}

function checkFloats(values: Float32Array, infos: readonly TensorInfo[]): void {
  const integers = infos.find((info) => DTYPES[info.dtype].kind === 'integer');
  if (integers) throw corrupt(`tensor "${integers.name}" of ${integers.dtype} has float buckets`);
  if (!values.every(Number.isFinite)) throw corrupt('a bucket is not a finite number');
}
