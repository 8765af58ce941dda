// Models, their fingerprints and containers, and payloads as they are read.

export { openContainer } from './containers/open-container.js';
export { type ErrorCode, NeuralDiffError } from './model/errors.js';
export { type FingerprintOptions, fingerprint } from './model/fingerprint.js';
export { openLayersStore } from './model/layers-store.js';
export { type ModelFiles, openMemoryFiles } from './model/model-files.js';
export type { Progress } from './model/progress.js';
export {
  copyModel,
  openMemoryStore,
  type Quantization,
  type WeightStore,
} from './model/store.js';
export type { DType, Model, Tensor, TensorInfo } from './model/tensor.js';
export type { ByteSource, Bytes } from './payload/byte-source.js';
export { decodePayload, readDiff } from './payload/decode.js';
export type {
  Buckets,
  DenseOp,
  Diff,
  ExactOp,
  HashedTensor,
  HashOp,
  LowRankOp,
  Meta,
  Op,
  Payload,
  PayloadHeader,
  SetOp,
  SparseOp,
} from './payload/diff.js';
export { type OpenPayload, openPayload } from './payload/open-payload.js';
