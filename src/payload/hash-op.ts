import { DTYPES, type TensorInfo } from '../model/index.js';
import { BUCKET_CODES, bucketBytes, decodeBuckets, encodeBuckets } from './bucket-coding.js';
import { beyondLimit, corrupt } from './corrupt.js';
import type { Buckets, HashOp } from './diff.js';
import { checkScale, FieldReader, FieldWriter } from './fields.js';
import { MAX_BLOCK, MAX_BUCKETS } from './limits.js';

/** @returns the record of a hash op */
export function encodeHashOp(op: HashOp): Uint8Array {
  const writer = new FieldWriter()
    .uint32(op.seed)
    .uint32(op.block)
    .uint32(op.buckets.values.length)
    .uint8(BUCKET_CODES[op.buckets.coding]);
  for (const hashed of op.tensors) writer.float32(hashed.scale);
  return writer.finish(encodeBuckets(op.buckets));
}

/** @returns the bytes that a hash op's record takes */
export function hashOpBytes(size: {
  coding: Buckets['coding'];
  bucketCount: number;
  tensorCount: number;
}): number {
  return 4 + 4 + 4 + 1 + 4 * size.tensorCount + bucketBytes(size.coding, size.bucketCount);
}

/**
 * Reads the record of a hash op.
 *
 * @param record the record
 * @param infos the tensors that the header names for it
 * @returns the op
 * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`
 */
export function decodeHashOp(record: Uint8Array, infos: readonly TensorInfo[]): HashOp {
  const fields = new FieldReader(record);
  const seed = fields.uint32();
  const block = fields.uint32();
  const count = fields.uint32();
  const coding = codingOf(fields.uint8());
  if (block === 0 || count === 0) throw corrupt(`a hash op has ${count} buckets and blocks of ${block}`);
  if (block > MAX_BLOCK) throw beyondLimit('blocks of weights', MAX_BLOCK, block);
  if (count > MAX_BUCKETS) throw beyondLimit('a number of buckets', MAX_BUCKETS, count);
  const tensors = infos.map((info) => {
    if (coding === 'float' && DTYPES[info.dtype].kind === 'integer') {
      throw corrupt(`tensor "${info.name}" of ${info.dtype} cannot take float buckets`);
    }
    return { tensor: info.name, scale: checkScale(fields.float32(), info) };
  });
  return { kind: 'hash', tensors, seed, block, buckets: decodeBuckets(fields.borrowRest(), coding, count) };
}

function codingOf(code: number): Buckets['coding'] {
  const coding = (Object.keys(BUCKET_CODES) as Buckets['coding'][]).find(
    (name) => BUCKET_CODES[name] === code,
  );
  if (coding === undefined) throw corrupt(`unknown bucket coding ${code}`);
  return coding;
}
