import { DTYPES, type TensorInfo, totalElements } from '../model/tensor.js';
import type { Bytes } from './byte-source.js';
import { type BitCoder, codeWide, NumberCoding, SLOW } from './coding.js';
import { DenseLevels } from './dense-record.js';
import type { Buckets, HashOp } from './diff.js';
import { beyondLimit, corrupt, MAX_BLOCK, MAX_BUCKETS } from './limits.js';
import { RangeDecoder } from './range-decoder.js';
import { codeTensors, ScaleCoding } from './record-head.js';

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
export class BucketCoding {
  readonly #coder: BitCoder;
  readonly #levels: DenseLevels;
  readonly coding: Buckets['coding'];

  /** @param coding for an encoder: how the buckets are coded */
  constructor(coder: BitCoder, coding: Buckets['coding'] = 'levels') {
    this.#coder = coder;
    this.coding = coder.raw(1, coding === 'float' ? 1 : 0) === 1 ? 'float' : 'levels';
    this.#levels = new DenseLevels(coder);
  }

  /** Codes some buckets: an encoder leaves them unchanged, a decoder fills them in. */
  code(values: Buckets['values'], start = 0, end = values.length): void {
    if (values instanceof Float32Array) {
      const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
      for (let i = start; i < end; i++) bits[i] = codeWide(this.#coder, 32, bits[i] as number);
    } else {
      for (let i = start; i < end; i++) values[i] = this.#levels.code(values[i]);
    }
  }
}

/** Reads a hash record: all its buckets before the first run, since any run may need any bucket. */
export class HashReader {
  /** Its tensors, in canonical order. */
  readonly tensors: readonly TensorInfo[];
  readonly decoder: RangeDecoder;
  readonly #coding: BucketCoding;
  readonly #op: HashOp;
  #read = 0;

  /**
   * @param most buckets that this record may have
   * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`
   */
  constructor(record: Bytes, infos: readonly TensorInfo[], most = MAX_BUCKETS) {
    const decoder = new RangeDecoder(record);
    this.decoder = decoder;
    this.tensors = codeTensors(decoder, infos);
    const { seed, block, count } = codePlacement(decoder);
    if (block > MAX_BLOCK) throw beyondLimit('weights per block', MAX_BLOCK, block);
    if (count > most) throw beyondLimit('buckets', MAX_BUCKETS, MAX_BUCKETS - most + count);
    const weights = totalElements(this.tensors);
    if (count > Math.max(1, weights))
      throw corrupt(`expected at most as many buckets as weights (${weights}), got ${count}`);
    const scales = new ScaleCoding(decoder);
    const tensors = this.tensors.map((info) => ({ tensor: info.name, scale: scales.code(info) }));
    this.#coding = new BucketCoding(decoder);
    const { coding } = this.#coding;
    if (coding === 'float') checkFloatTensors(this.tensors);
    const buckets: Buckets =
      coding === 'float'
        ? { coding, values: new Float32Array(count) }
        : { coding, values: new Int8Array(count) };
    this.#op = { kind: 'hash', tensors, seed, block, buckets };
  }

  /** Number of buckets. */
  get count(): number {
    return this.#op.buckets.values.length;
  }

  /**
   * Reads the next buckets.
   *
   * @param most how many to read
   * @returns how many are left
   * @throws NeuralDiffError `corrupt-payload`
   */
  readShared(most: number): number {
    const { values } = this.#op.buckets;
    const [start, end] = [this.#read, Math.min(this.#read + most, values.length)];
    this.#coding.code(values, start, end);
    for (let i = start; i < end; i++)
      if (!Number.isFinite(values[i])) throw corrupt('a bucket is not a finite number');
    this.#read = end;
    return values.length - end;
  }

  read(): HashOp {
    this.readShared(this.count);
    return this.#op;
  }
}

function checkFloatTensors(infos: readonly TensorInfo[]): void {
  const integers = infos.find((info) => DTYPES[info.dtype].kind === 'integer');
  if (integers) throw corrupt(`tensor "${integers.name}" of ${integers.dtype} has float buckets`);
}
