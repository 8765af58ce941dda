import type { ModelFiles } from '../model/model-files.js';
import type { Progress } from '../model/progress.js';
import type { WeightStore } from '../model/store.js';
import type { Patcher } from '../payload/patch.js';
import type { VerifyEd25519 } from '../release/ed25519.js';
import type { Disk } from '../storage/disk.js';
import type { ModelStorage, StorageStatus } from '../storage/storage.js';
import type { UpdateSource } from './http-source.js';
import type { UpdatePlan, UpdatePolicy } from './plan-update.js';
import type { RejectedRelease } from './rejected-releases.js';

/** Options of `createUpdater`. */
export interface UpdaterOptions {
  /** The model. */
  readonly storage: ModelStorage;
  /** Disk for downloads, trusted metadata and the updater's state. */
  readonly disk: Disk;
  /** Folder on the disk that only the updater uses. */
  readonly folder: string;
  /** Source of releases. */
  readonly source: UpdateSource;
  /** Root metadata of the repository, shipped with the program. */
  readonly root: Uint8Array;
  readonly deviceClass?: string | undefined;
  /** Counter of the release that the program was shipped with; defaults to 0. */
  readonly counter?: number;
  /** Version of the program; releases with rejected content are tried again after it changes. */
  readonly programVersion?: string;
  readonly policy?: UpdatePolicy;
  /**
   * Tests the new model before the update is completed; throws to reject it. `golden` is the content of the
   * release's signed inputs and expected outputs, if any.
   */
  readonly selfTest?: (
    store: WeightStore,
    context: {
      readonly plan: UpdatePlan;
      readonly golden?: Uint8Array | undefined;
      readonly signal?: AbortSignal | undefined;
    },
  ) => void | Promise<void>;
  /** Opens a downloaded whole model; without it whole models are never planned. */
  readonly openModelFile?: (files: ModelFiles, path: string) => Promise<WeightStore>;
  readonly onEvent?: ((event: UpdaterEvent) => void) | undefined;
  /** Defaults to the runtime's clock. */
  readonly now?: () => Date;
  readonly patcher?: Patcher;
  readonly ed25519?: VerifyEd25519;
  /** Timeout for all metadata of a check in milliseconds; defaults to 300,000. */
  readonly metadataMs?: number;
  /**
   * Timeout for all downloads of an update in milliseconds; defaults to 21,600,000, six hours. The next
   * update continues with what was downloaded.
   */
  readonly downloadMs?: number;
  /** Minimum rate of downloads over each window of `rateWindowMs`; defaults to 500. */
  readonly minBytesPerSecond?: number;
  /** Window of the minimum rate in milliseconds; defaults to 60,000. */
  readonly rateWindowMs?: number;
  /** Delay before the next download attempt in milliseconds, by the number of failures. */
  readonly waitMs?: (failures: number) => number;
}

/** Context of a self-test. */
export type SelfTestContext = Parameters<NonNullable<UpdaterOptions['selfTest']>>[1];

/** Reason of a rollback: requested, too many starts on trial, or a trial unknown to the updater's state. */
export type RollbackReason = 'asked' | 'too-many-starts' | 'unknown-trial';

/** Events of an updater. */
export type UpdaterEvent =
  | { readonly type: 'planned'; readonly plan: UpdatePlan }
  /**
   * Progress in bytes of a named file: `download` fetches it, `apply` checks, writes and verifies the model.
   */
  | ({ readonly type: 'progress'; readonly name: string } & Progress<'download' | 'apply'>)
  | { readonly type: 'self-test' | 'updated' | 'confirmed'; readonly next: string }
  /** The updater's state was damaged: it was moved aside, and the updater starts afresh. */
  | { readonly type: 'state-reset'; readonly aside: string }
  | { readonly type: 'rolled-back'; readonly next: string; readonly reason: RollbackReason };

/** Status of a model and its updater. */
export interface UpdaterStatus {
  readonly status: StorageStatus;
  /** Fingerprint of the stored model, computed for this result. */
  readonly fingerprint: string;
  /** Counter of the last confirmed release. */
  readonly counter: number;
  /** An update that was begun, and perhaps made; `starts` counts the starts since it was made. */
  readonly trial?: {
    readonly base: string;
    readonly next: string;
    readonly counter: number;
    /** Names of its files. */
    readonly names: readonly string[];
    readonly starts: number;
    /** The model's `path` in `ModelStorage`, which tells it from other models on the disk. */
    readonly storage?: string;
  };
  readonly rejectedModels: readonly string[];
  /** Releases whose content was rejected, if any; they are not downloaded again. */
  readonly rejectedReleases?: readonly RejectedRelease[];
}

/** Result of an update. `deferred` and `declined` are decisions of the policy. */
export interface UpdateOutcome {
  readonly status: 'current' | 'updated' | 'deferred' | 'declined';
  readonly plan?: UpdatePlan;
  /** Fingerprint of the stored model. */
  readonly fingerprint: string;
  /** Counter of the last confirmed release. */
  readonly counter: number;
}

/** Options of an updater's methods. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Updates a device's model and rolls it back. A call during another one fails with `locked`. */
export interface Updater {
  /**
   * Recovers from an interrupted update, and rolls back a trial after too many starts. Call it at every
   * start, before the model is used. A damaged state of the updater is moved aside: a trial is rolled back
   * then, and rejected models and the counter are forgotten.
   *
   * @throws NeuralDiffError `storage-mismatch`, `locked`
   */
  start(): Promise<UpdaterStatus>;
  /** Same as `start`, without reading the model to compute its status. */
  recover(): Promise<void>;
  status(): Promise<UpdaterStatus>;
  /**
   * Fetches and verifies the repository's metadata, and plans an update.
   *
   * @returns undefined if the model is current
   * @throws NeuralDiffError `network`, and the codes of `refreshTrust`
   */
  check(options?: { signal?: AbortSignal | undefined }): Promise<UpdatePlan | undefined>;
  /**
   * Downloads, verifies, applies and tests an update, after which the model is on trial. After an error or an
   * aborted signal the model is unchanged.
   *
   * @param plan a plan from `check`; by default `check` is called
   * @throws NeuralDiffError `on-trial`, `locked`, `network`, `payload-mismatch`, `health-check-failed`,
   *   `no-space`; the codes of `applyPayload`; the signal's reason
   */
  update(plan?: UpdatePlan, options?: { signal?: AbortSignal | undefined }): Promise<UpdateOutcome>;
  /** Ends a trial and keeps the model. Does nothing without a trial. */
  confirm(): Promise<void>;
  /**
   * Restores the model from before the trial and rejects the other one. @returns false if there was no trial
   */
  rollback(): Promise<boolean>;
}
