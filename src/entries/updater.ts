export { checkPayload } from '../release/check-payload.js';
export { verifyByNoble, verifyByWebCrypto } from '../release/ed25519.js';
export { findReleases, type Release } from '../release/find-releases.js';
export { openMemoryMetadata } from '../release/metadata.js';
export { refreshTrust, type Trust } from '../release/refresh-trust.js';
export type { ReleaseStatement } from '../release/statement.js';
export { createUpdater } from '../updater/create-updater.js';
export { type HttpSourceOptions, openHttpSource, type UpdateSource } from '../updater/http-source.js';
export type { UpdatePlan, UpdatePolicy } from '../updater/plan-update.js';
export type { RejectedRelease } from '../updater/rejected-releases.js';
export type {
  SelfTestContext,
  UpdateOutcome,
  Updater,
  UpdaterEvent,
  UpdaterOptions,
  UpdaterStatus,
} from '../updater/updater.js';
