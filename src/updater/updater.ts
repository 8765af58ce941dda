import type { ModelFiles } from '../model/model-files.js';
import type { Progress } from '../model/progress.js';
import type { WeightStore } from '../model/store.js';
import type { Patcher } from '../payload/patch.js';
import type { VerifyEd25519 } from '../release/ed25519.js';
import type { ReleaseStatement } from '../release/statement.js';
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
  /** Channel of releases that the device follows, such as `beta`, besides those for all. */
  readonly channel?: string | undefined;
  /**
   * ID that decides which staged rollouts the device takes part in; it is not sent anywhere. By default a
   * random one that stays in `folder`.
   */
  readonly deviceId?: string | undefined;
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
  | { readonly type: 'rolled-back'; readonly next: string; readonly reason: RollbackReason }
  /**
   * What became of a call of `update`, for telemetry: its status, or `failed` with the code of the error;
   * milliseconds that it took; versions of library and payload format.
   */
  | ({ readonly type: 'outcome'; readonly ms: number; readonly versions: string } & (
      | UpdateOutcome
      | { readonly status: 'failed'; readonly code: string }
    ));

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
  /** Models that were rolled back or failed their test; they are not tried again. */
  readonly rejectedModels: readonly {
    /** Fingerprint. */
    readonly model: string;
    readonly reason?: RollbackReason | 'test-failed';
    /** Counter and file names of the update that led there. */
    readonly counter?: number;
    readonly names?: readonly string[];
  }[];
  /** Releases whose content was rejected, if any; they are not downloaded again. */
  readonly rejectedReleases?: readonly RejectedRelease[];
}

/** Result of a check or an update. */
export interface UpdateOutcome {
  /**
   * - `current`: the model is that of the newest release for this device
   * - `available`: `check` found an update; `updated`: `update` made it, and it is on trial
   * - `deferred`, `declined`: the policy's `mayBegin` or `approve` said no
   * - `unreachable`, `held-back`, `over-limit`: nothing was done, although a newer release exists: `missed`
   */
  readonly status:
    | ('current' | 'available' | 'updated' | 'deferred' | 'declined')
    | ('unreachable' | 'held-back' | 'over-limit');
  readonly plan?: UpdatePlan;
  /**
   * The newest release, if the plan does not lead there: no files do from this model (`unreachable`), it, its
   * model or one on the way was rejected earlier (`held-back`), or only routes of more than `maxBytes` do
   * (`over-limit`).
   */
  readonly missed?: {
    readonly status: 'unreachable' | 'held-back' | 'over-limit';
    /** Counter of the release and fingerprint of its model, if its statement can be read. */
    readonly counter?: number;
    readonly next?: string;
    /** Bytes of the smallest route that is over the limit. */
    readonly bytes?: number;
    /** What keeps the device from it, for people. */
    readonly reason: string;
  };
  /** The release that was installed before the call, if it was withdrawn; its `withdrawn` says why. */
  readonly withdrawn?: ReleaseStatement;
  /** Fingerprint of the stored model. */
  readonly fingerprint: string;
  /** Counter of the last confirmed release. */
  readonly counter: number;
}

/** Options of an updater's methods. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly retryRejected?: boolean | undefined;
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
   * @param options `retryRejected` tries again what was rejected; an update that begins forgets it
   * @returns `available` with a plan; `current`; or why the newest release cannot be taken
   * @throws NeuralDiffError `network`, and the codes of `refreshTrust`
   */
  check(options?: {
    signal?: AbortSignal | undefined;
    retryRejected?: boolean | undefined;
  }): Promise<UpdateOutcome>;
  /**
   * Downloads, verifies, applies and tests an update, after which the model is on trial. After an error or an
   * aborted signal the model is unchanged.
   *
   * @param plan a plan from `check`; by default `check` is called
   * @throws NeuralDiffError `on-trial`, `locked`, `network`, `payload-mismatch`, `health-check-failed`,
   *   `no-space`; the codes of `applyPayload`; the signal's reason
   */
  update(
    plan?: UpdatePlan,
    options?: { signal?: AbortSignal | undefined; retryRejected?: boolean | undefined },
  ): Promise<UpdateOutcome>;
  /** @returns the last 64 releases that were confirmed, oldest first: what, when, and who signed it */
  history(): Promise<
    readonly {
      /** ISO 8601, by the device's clock. */
      readonly confirmedAt: string;
      /** Fingerprints of the model before, empty where there was none, and after. */
      readonly base: string;
      readonly next: string;
      readonly counter: number;
      /** Files that were applied, in order; `sha256` in hexadecimal digits. */
      readonly files: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[];
      readonly signedBy?: NonNullable<UpdatePlan['signedBy']>;
    }[]
  >;
  /** Ends a trial and keeps the model. Does nothing without a trial. */
  confirm(): Promise<void>;
  /**
   * Restores the model from before the trial and rejects the other one. @returns false if there was no trial
   */
  rollback(): Promise<boolean>;
}
