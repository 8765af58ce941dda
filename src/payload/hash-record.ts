import { DTYPES, elementCount, type TensorInfo } from '../model/index.js';
import { type BitCoder, codeWide } from './bit-coder.js';
import type { Bytes } from './byte-source.js';
import { SLOW } from './contexts.js';
import { beyondLimit, corrupt } from './corrupt.js';
import { DenseLevels } from './dense-record.js';
import type { Buckets, HashOp } from './diff.js';
import { MAX_BLOCK, MAX_BUCKETS } from './limits.js';
import { NumberCoding } from './number-coding.js';
import { RangeDecoder } from './range-decoder.js';
import { codeTensors, ScaleCoding } from './record-head.js';

/** What places the weights of a hash op. */
export type Placement = Pick<HashOp, 'seed' | 'block'> & { readonly count: number };

/** @returns seed, weights of a block, number of buckets */
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

/** Buckets: levels, or floats as they are. */
export function codeBuckets(coder: BitCoder, buckets: Buckets): Buckets {
  const isFloat = coder.raw(1, buckets.coding === 'float' ? 1 : 0) === 1;
  return isFloat ? codeFloats(coder, buckets) : codeLevels(coder, buckets);
}

function codeFloats(coder: BitCoder, { values: given }: Buckets): Buckets {
  const bits = new Uint32Array(new Float32Array(given).buffer);
  for (let i = 0; i < bits.length; i++) bits[i] = codeWide(coder, 32, bits[i] as number);
  return { coding: 'float', values: new Float32Array(bits.buffer) };
}

function codeLevels(coder: BitCoder, { values: given }: Buckets): Buckets {
  const levels = new DenseLevels(coder);
  const values = new Int8Array(given.length);
  for (let i = 0; i < values.length; i++) values[i] = levels.code(given[i]);
  return { coding: 'levels', values };
}

/** Reads a hash record at once: any run of elements may need any bucket. */
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
    if (block > MAX_BLOCK) throw beyondLimit('blocks of weights', MAX_BLOCK, block);
    if (count > MAX_BUCKETS) throw beyondLimit('a number of buckets', MAX_BUCKETS, count);
    const weights = this.tensors.reduce((sum, info) => sum + elementCount(info), 0);
    if (count > Math.max(1, weights))
      throw corrupt(`${count} buckets are more than the ${weights} weights they are for`);
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
  const whole = infos.find((info) => DTYPES[info.dtype].kind === 'integer');
  if (whole) throw corrupt(`tensor "${whole.name}" of ${whole.dtype} cannot take float buckets`);
  if (!values.every(Number.isFinite)) throw corrupt('a bucket is not a finite number');
}
