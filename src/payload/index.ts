export type { ByteSource, Bytes } from './byte-source.js';
export { sliceOf, sourceOf } from './byte-source.js';
export { createChecksum, xxh64 } from './checksum.js';
export { checkLayout, DiffReader, decodePayload, type OpenPayload, openPayload, readDiff } from './decode.js';
export {
  type Buckets,
  type DenseOp,
  type Diff,
  type ExactOp,
  type HashedTensor,
  type HashOp,
  type Meta,
  type Op,
  type Payload,
  type PayloadHeader,
  type SetOp,
  type SparseOp,
  tensorsOf,
} from './diff.js';
export { FORMAT_VERSION, layoutOf, MAGIC } from './header.js';
export {
  MAX_BLOCK,
  MAX_BUCKETS,
  MAX_DENSE_LEVEL,
  MAX_PAYLOAD_BYTES,
  MAX_SCALE,
  MAX_SPARSE_LEVEL,
} from './limits.js';
export { type OrderedBits, orderedBits, orderOf, wrapDifference } from './ordered-bits.js';
export { lowerBound, patchRange } from './patch.js';
export { patchModel } from './patch-model.js';
export { type Patcher, plainPatcher } from './patcher.js';
export { placeBlock, tensorSeed } from './placement.js';
export { isScale, roundScale } from './scale.js';
