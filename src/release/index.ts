export { canonicalJson, type Json, type JsonObject } from './canonical-json.js';
export { checkPayload, type FileContent } from './check-payload.js';
export {
  type SignedMessage,
  type VerifyEd25519,
  verifyByNoble,
  verifyByWebCrypto,
  verifyEd25519,
} from './ed25519.js';
export {
  CUSTOM_FIELD,
  checkRelease,
  type Device,
  type FoundReleases,
  findReleases,
  findTarget,
  type Release,
} from './find-releases.js';
export { keyIdOf, parseKey, type ReleaseKey, releaseKey } from './keys.js';
export { TRUST_LIMITS, type TrustLimits } from './limits.js';
export {
  type MetaFile,
  ROLES,
  type Role,
  type Root,
  type Signed,
  type Snapshot,
  type TargetFile,
  type Targets,
  type Timestamp,
} from './metadata.js';
export { loadTrust, refreshTrust, type Trust, type TrustOptions } from './refresh-trust.js';
export {
  encodeDate,
  encodeStatement,
  parseStatement,
  type ReleaseStatement,
  type SignedFile,
} from './statement.js';
export { type FetchMetadata, type MetadataStore, openMemoryMetadata } from './store.js';
export { type VerifyReleaseOptions, verifyRelease } from './verify-release.js';
