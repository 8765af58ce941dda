export { createUpdater } from './create-updater.js';
export { type HttpSourceOptions, openHttpSource } from './http-source.js';
export { type DeviceState, planUpdate, type UpdatePlan } from './plan-update.js';
export type { UpdatePolicy } from './policy.js';
export type { RefusedRelease } from './refused-releases.js';
export type { SourcePart, UpdateSource } from './source.js';
export { readTrial, type StatePlace, type Trial } from './state.js';
export type {
  CallOptions,
  RollbackReason,
  SelfTestContext,
  UpdateOutcome,
  Updater,
  UpdaterEvent,
  UpdaterOptions,
  UpdaterStatus,
} from './updater.js';
