// Devices that follow a repository of signed releases.

export type { VerifyEd25519 } from '../release/ed25519.js';
export type { Release } from '../release/find-releases.js';
export type { ReleaseKey } from '../release/keys.js';
export type { MetadataStore } from '../release/metadata.js';
export type { ReleaseStatement, SignedFile } from '../release/statement.js';
export { type VerifyReleaseOptions, verifyRelease } from '../release/verify-release.js';
export { connectUpdater } from '../updater/connect-updater.js';
export { createUpdater } from '../updater/create-updater.js';
export { type HttpSourceOptions, openHttpSource, type UpdateSource } from '../updater/http-source.js';
export { listTargets } from '../updater/list-targets.js';
export type { UpdatePlan, UpdatePolicy } from '../updater/plan-update.js';
export type { RejectedRelease } from '../updater/rejected-releases.js';
export { serveUpdater } from '../updater/serve-updater.js';
export type {
  UpdateOutcome,
  Updater,
  UpdaterEvent,
  UpdaterOptions,
  UpdaterStatus,
} from '../updater/updater.js';
