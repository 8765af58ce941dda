export { concatBytes, equalBytes, fromBase64, fromHex, hex } from './bytes.js';
export { DTYPES, type DType, type DTypeInfo, dtypeOfCode } from './dtype.js';
export { type ErrorCode, type ErrorFacts, NeuralDiffError } from './errors.js';
export { describeFailure, type Failure, reviveFailure } from './failure.js';
export {
  describeTensor,
  FINGERPRINT_BYTES,
  type FingerprintOptions,
  fingerprint,
  joinDigests,
  type Sha256,
  sha256,
  TensorDigest,
} from './fingerprint.js';
export { bfloat16Bits, bfloat16Value, float16Bits, float16Value, floatsOf, HALVES } from './float16.js';
export { openLayersStore } from './layers-store.js';
export { CHUNK_BYTES, MAX_ELEMENTS, MAX_NAME_BYTES, MAX_RANK, MAX_TENSORS } from './limits.js';
export { openMemoryStore } from './memory-store.js';
export { checkInside, type ModelFiles, openMemoryFiles, openOverlay } from './model-files.js';
export { type Extent, openPlacedStore, type PlacedTensor } from './placed-store.js';
export type { Quantization, Quantizations } from './quantization.js';
export { checkRange, copyModel, type WeightStore } from './store.js';
export { asBytes, type StoredType, tensorOf } from './stored-type.js';
export {
  byteLength,
  canonicalOrder,
  checkModel,
  checkTensorInfos,
  compareNames,
  elementCount,
  isCleanText,
  type Model,
  type Tensor,
  type TensorInfo,
  totalBytes,
  totalElements,
} from './tensor.js';
