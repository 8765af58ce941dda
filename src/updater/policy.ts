import type { UpdatePlan } from './plan-update.js';

/** What an updater may do by itself. */
export interface UpdatePolicy {
  /**
   * Whether a whole model may be downloaded where no payload leads to the newest one, or payloads are larger: `auto`, after
   * `approve` alone (`ask`), or `never`; default `auto`.
   */
  readonly full?: 'auto' | 'ask' | 'never' | undefined;
  /** Bytes of the largest download; larger ones are not planned. */
  readonly maxBytes?: number | undefined;
  /** Says whether a download may begin now: power, network, hour. Asked before each update. */
  readonly mayBegin?: ((plan: UpdatePlan) => boolean | Promise<boolean>) | undefined;
  /** Asked before a whole model is downloaded under `ask`. */
  readonly approve?: ((plan: UpdatePlan) => boolean | Promise<boolean>) | undefined;
  /** Starts on trial, without `confirm`, after which the model is rolled back; default 3. */
  readonly maxTrialStarts?: number | undefined;
}
