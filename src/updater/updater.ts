import type { ModelFiles } from '../model/model-files.js';
import type { Progress } from '../model/progress.js';
import type { WeightStore } from '../model/store.js';
import type { Patcher } from '../payload/patch.js';
import type { VerifyEd25519 } from '../release/ed25519.js';
import type { Disk } from '../storage/disk.js';
import type { ModelStorage } from '../storage/storage.js';
import type { UpdateSource } from './http-source.js';
import type { UpdatePlan, UpdatePolicy } from './plan-update.js';
import type { RejectedRelease } from './rejected-releases.js';

/** What an updater needs. */
export interface UpdaterOptions {
  /** The model. */
  readonly storage: ModelStorage;
  /** Where downloads, trust and the updater's state are kept. */
  readonly disk: Disk;
  /** A folder on the disk that is the updater's own. */
  readonly folder: string;
  /** Where releases come from. */
  readonly source: UpdateSource;
  /** Root metadata of the repository, part of the program. */
  readonly root: Uint8Array;
  readonly deviceClass?: string | undefined;
  /** Counter of the release that the program came with; default 0. */
  readonly counter?: number;
  /** Version of the program: another one tries releases again that were refused for what is in them. */
  readonly programVersion?: string;
  readonly policy?: UpdatePolicy;
  /**
   * Tries the new model before the update is made; throws where it is not good. `golden` is the content of the release's signed
   * inputs and expected outputs, where it has some.
   */
  readonly selfTest?: (
    store: WeightStore,
    context: {
      readonly plan: UpdatePlan;
      readonly golden?: Uint8Array | undefined;
      readonly signal?: AbortSignal | undefined;
    },
  ) => void | Promise<void>;
  /** Opens a whole model that was downloaded; without it whole models are never planned. */
  readonly openModelFile?: (files: ModelFiles, path: string) => Promise<WeightStore>;
  readonly onEvent?: ((event: UpdaterEvent) => void) | undefined;
  /** The runtime's own clock unless given. */
  readonly now?: () => Date;
  readonly patcher?: Patcher;
  readonly ed25519?: VerifyEd25519;
  /** Milliseconds that the metadata of one check may take in all, however they come; default 300,000. */
  readonly metadataMs?: number;
  /** Milliseconds before attempt after attempt to go on with a download. */
  readonly waitMs?: (failures: number) => number;
}

/** What a self-test knows in addition to the model. */
export type SelfTestContext = Parameters<NonNullable<UpdaterOptions['selfTest']>>[1];

/** What an updater tells of. */
export type UpdaterEvent =
  | { readonly type: 'planned'; readonly plan: UpdatePlan }
  /** Bytes of a file by its name: `download` fetches it, `apply` checks, writes and verifies a model. */
  | ({ readonly type: 'progress'; readonly name: string } & Progress<'download' | 'apply'>)
  | { readonly type: 'self-test' | 'updated' | 'confirmed'; readonly next: string }
  | {
      readonly type: 'rolled-back';
      readonly next: string;
      readonly reason: 'asked' | 'too-many-starts' | 'unknown-trial';
    };

/** Why a model was rolled back: by whoever calls, after too many starts on trial, after a trial that nobody remembers. */
export type RollbackReason = Extract<UpdaterEvent, { type: 'rolled-back' }>['reason'];

/** How a model and its updater stand. */
export interface UpdaterStatus {
  readonly status: 'settled' | 'trial';
  /** Fingerprint of the model as it is stored, read for this answer. */
  readonly fingerprint: string;
  /** Counter of the release that was confirmed last. */
  readonly counter: number;
  /** An update that was begun, and perhaps made; `starts` counts the starts since it was made. */
  readonly trial?: {
    readonly base: string;
    readonly next: string;
    readonly counter: number;
    /** Names of its files. */
    readonly names: readonly string[];
    readonly starts: number;
  };
  readonly rejectedModels: readonly string[];
  /** Releases that were refused for what is in them, where there are some: not downloaded again. */
  readonly rejectedReleases?: readonly RejectedRelease[];
}

/** How an update ended. `deferred` and `declined` are the policy's. */
export interface UpdateOutcome {
  readonly status: 'current' | 'updated' | 'deferred' | 'declined';
  readonly plan?: UpdatePlan;
  /** Fingerprint of the model as it was read, or read back, on the way. */
  readonly fingerprint: string;
  /** Counter of the release that was confirmed last. */
  readonly counter: number;
}

/** What a call takes. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Brings a device's model up to date, and back. One call at a time; a second one gets `locked`. */
export interface Updater {
  /**
   * Puts right what a cut left, and ends trials that do not end by themselves. To be called at every start, before the model
   * is used.
   *
   * @throws NeuralDiffError `storage-mismatch`, `locked`
   */
  start(): Promise<UpdaterStatus>;
  /** As `start`, for whoever goes on to `update`: it does not read the model to say how it stands. */
  recover(): Promise<void>;
  status(): Promise<UpdaterStatus>;
  /**
   * Asks the repository, checks everything that it says, and plans.
   *
   * @returns undefined where the model is current
   * @throws NeuralDiffError `network`, and the codes of `refreshTrust`
   */
  check(options?: { signal?: AbortSignal | undefined }): Promise<UpdatePlan | undefined>;
  /**
   * Downloads, checks, applies and tests an update; the model is on trial then. Whatever throws leaves the model as it was, and so
   * does the signal at any moment.
   *
   * @param plan from `check`; asks the repository unless given
   * @throws NeuralDiffError `on-trial`, `locked`, `network`, `payload-mismatch`, `health-check-failed`, `no-space`; the codes of
   *   `applyPayload`; the signal's reason
   */
  update(plan?: UpdatePlan, options?: { signal?: AbortSignal | undefined }): Promise<UpdateOutcome>;
  /** The model has proved itself: it stays. Nothing where there is no trial. */
  confirm(): Promise<void>;
  /** Puts the model before the trial back; the other one is not tried again. @returns false where there is no trial */
  rollback(): Promise<boolean>;
}
