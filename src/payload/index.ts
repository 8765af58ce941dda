export { decodePayload } from './decode.js';
export {
  type Buckets,
  type DenseOp,
  type Diff,
  type HashedTensor,
  type HashOp,
  type Meta,
  type Op,
  type Payload,
  type PayloadHeader,
  type SparseOp,
  tensorsOf,
} from './diff.js';
export { MAGIC } from './header.js';
export { MAX_BLOCK, MAX_BUCKETS, MAX_PAYLOAD_BYTES } from './limits.js';
export { lowerBound, patchRange } from './patch.js';
export { type Patcher, plainPatcher } from './patcher.js';
export { placeBlock, tensorSeed } from './placement.js';
