import { NeuralDiffError } from '../model/errors.js';
import { type Disk, readRecord, writeRecord } from '../storage/disk.js';
import type { RejectedRelease } from './rejected-releases.js';
import type { UpdaterStatus } from './updater.js';

/** An update that was started and may be on trial. */
export type Trial = NonNullable<UpdaterStatus['trial']>;

/** Persistent state of an updater. */
export interface UpdaterState {
  /** Counter of the installed release; 0 before the first. */
  readonly counter: number;
  readonly trial?: Trial;
  /** Fingerprints of models that were rolled back, newest last; they are not tried again. */
  readonly rejectedModels: readonly string[];
  /** Releases whose content was rejected, newest last. */
  readonly rejectedReleases?: readonly RejectedRelease[];
}

/** Maximum number of rejected models that are recorded. */
const MAX_REJECTED_MODELS = 64;

/** The location of an updater's state. */
export interface StateLocation {
  readonly disk: Disk;
  /** Folder on the disk that only the updater uses. */
  readonly folder: string;
}

/**
 * Reads an updater's state.
 *
 * @returns the last written state; `first` if there is none
 * @throws NeuralDiffError `storage-mismatch` for a damaged state
 */
export async function readState(location: StateLocation, first: UpdaterState): Promise<UpdaterState> {
  const path = `${location.folder}/state`;
  const bytes = await readRecord(location.disk, path);
  if (bytes === undefined) return first;
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as UpdaterState;
  } catch (cause) {
    throw new NeuralDiffError('storage-mismatch', `Cannot read "${path}": expected JSON`, { cause });
  }
}

/** @returns the trial in an updater's state; undefined if there is none */
export async function readTrial(location: StateLocation): Promise<Trial | undefined> {
  return (await readState(location, { counter: 0, rejectedModels: [] })).trial;
}

export async function writeState(location: StateLocation, state: UpdaterState): Promise<void> {
  await writeRecord(
    location.disk,
    `${location.folder}/state`,
    new TextEncoder().encode(JSON.stringify(state)),
  );
}

/** @returns the state after a trial was confirmed */
export function confirmed({ trial, ...state }: UpdaterState): UpdaterState {
  return trial ? { ...state, counter: trial.counter } : state;
}

/** @returns the state after a model was rejected */
export function withRejectedModel({ trial: _trial, ...state }: UpdaterState, next: string): UpdaterState {
  const others = state.rejectedModels.filter((each) => each !== next);
  return { ...state, rejectedModels: [...others, next].slice(-MAX_REJECTED_MODELS) };
}
