// Devices that follow a repository of signed releases.

export { checkPayload, type FileContent } from '../release/check-payload.js';
export type { VerifyEd25519 } from '../release/ed25519.js';
export { type Device, type FoundReleases, findReleases, type Release } from '../release/find-releases.js';
export { type MetadataStore, openMemoryMetadata } from '../release/metadata.js';
export { refreshTrust, type Trust, type TrustOptions } from '../release/refresh-trust.js';
export type { ReleaseStatement } from '../release/statement.js';
export { type VerifyReleaseOptions, verifyRelease } from '../release/verify-release.js';
export { createUpdater } from '../updater/create-updater.js';
export {
  type HttpSourceOptions,
  openHttpSource,
  type SourcePart,
  type UpdateSource,
} from '../updater/http-source.js';
export type { UpdatePlan, UpdatePolicy } from '../updater/plan-update.js';
export type { RejectedRelease } from '../updater/rejected-releases.js';
export type {
  CallOptions,
  SelfTestContext,
  UpdateOutcome,
  Updater,
  UpdaterEvent,
  UpdaterOptions,
  UpdaterStatus,
} from '../updater/updater.js';
