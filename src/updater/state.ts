import { NeuralDiffError } from '../model/errors.js';
import { type Disk, readRecord, writeRecord } from '../storage/disk.js';
import type { RejectedRelease } from './rejected-releases.js';
import type { UpdaterStatus } from './updater.js';

/** An update that was begun, and perhaps made: on trial. */
export type Trial = NonNullable<UpdaterStatus['trial']>;

/** What an updater remembers. */
export interface UpdaterState {
  /** Counter of the release that the model is; 0 before the first. */
  readonly counter: number;
  readonly trial?: Trial;
  /** Models that were rolled back, newest last: they are not tried again. */
  readonly rejectedModels: readonly string[];
  /** Releases that were refused for what is in them, newest last. */
  readonly rejectedReleases?: readonly RejectedRelease[];
}

/** Models that are remembered as bad. */
const MAX_REJECTED_MODELS = 64;

/** Where an updater keeps what it knows. */
export interface StatePlace {
  readonly disk: Disk;
  /** Folder on the disk that is the updater's own. */
  readonly folder: string;
}

/**
 * @returns what was written last; `first` before that
 * @throws NeuralDiffError `storage-mismatch` for a state that is damaged
 */
export async function readState(place: StatePlace, first: UpdaterState): Promise<UpdaterState> {
  const path = `${place.folder}/state`;
  const bytes = await readRecord(place.disk, path);
  if (bytes === undefined) return first;
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as UpdaterState;
  } catch (cause) {
    throw new NeuralDiffError('storage-mismatch', `Cannot trust "${path}": it is not what was written`, {
      cause,
    });
  }
}

/** @returns the trial that an updater remembers; undefined where it remembers none, or there is no updater */
export async function readTrial(place: StatePlace): Promise<Trial | undefined> {
  return (await readState(place, { counter: 0, rejectedModels: [] })).trial;
}

export async function writeState(place: StatePlace, state: UpdaterState): Promise<void> {
  await writeRecord(place.disk, `${place.folder}/state`, new TextEncoder().encode(JSON.stringify(state)));
}

/** @returns the state once a trial has ended well */
export function confirmed({ trial, ...state }: UpdaterState): UpdaterState {
  return trial ? { ...state, counter: trial.counter } : state;
}

/** @returns the state once a model turned out to be bad */
export function withRejectedModel({ trial: _trial, ...state }: UpdaterState, next: string): UpdaterState {
  const others = state.rejectedModels.filter((each) => each !== next);
  return { ...state, rejectedModels: [...others, next].slice(-MAX_REJECTED_MODELS) };
}
