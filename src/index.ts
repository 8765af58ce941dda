export { openContainer } from './containers/open-container.js';
export { hex } from './model/bytes.js';
export { type ErrorCode, type ErrorFacts, NeuralDiffError } from './model/errors.js';
export { fingerprint } from './model/fingerprint.js';
export { openLayersStore } from './model/layers-store.js';
export { type ModelFiles, openMemoryFiles } from './model/model-files.js';
export {
  copyModel,
  openMemoryStore,
  type Quantization,
  type Quantizations,
  type WeightStore,
} from './model/store.js';
export { byteLength, type DType, type Model, type Tensor, type TensorInfo } from './model/tensor.js';
export type { ByteSource, Bytes } from './payload/byte-source.js';
export { decodePayload, type OpenPayload, openPayload, readDiff } from './payload/decode.js';
export type {
  Buckets,
  DenseOp,
  Diff,
  ExactOp,
  HashedTensor,
  HashOp,
  Meta,
  Op,
  Payload,
  PayloadHeader,
  SetOp,
  SparseOp,
} from './payload/diff.js';
export { encodePayload } from './payload/encode.js';
