import { NeuralDiffError } from '../model/errors.js';
import { decodeUtf8, encodeUtf8 } from '../model/text.js';
import { type Disk, isNoFile, moveAside, readRecord, writeRecord } from '../storage/disk.js';
import type { RejectedRelease } from './rejected-releases.js';
import type { Updater, UpdaterStatus } from './updater.js';

/** A release that a device kept, and who signed it. */
export type Installed = Awaited<ReturnType<Updater['history']>>[number];

/** An update that was started and may be on trial, with what the history will say of it. */
export type Trial = NonNullable<UpdaterStatus['trial']> & Partial<Pick<Installed, 'files' | 'signedBy'>>;

/** A model that was rolled back or failed its test. */
export type RejectedModel = UpdaterStatus['rejectedModels'][number];

/** Persistent state of an updater. */
export interface UpdaterState {
  /** Counter of the installed release; 0 before the first. */
  readonly counter: number;
  readonly trial?: Trial;
  /** Models that were rolled back or failed their test, newest last; they are not tried again. */
  readonly rejectedModels: readonly RejectedModel[];
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

const FIRST: UpdaterState = { counter: 0, rejectedModels: [] };

const pathOfState = ({ folder }: StateLocation): string => `${folder}/state`;

/**
 * Reads an updater's state.
 *
 * @returns the last written state; undefined if there is none
 * @throws NeuralDiffError `storage-mismatch` for a damaged state; `file-unreadable` for a folder in its place
 */
export async function readState(location: StateLocation): Promise<UpdaterState | undefined> {
  const path = pathOfState(location);
  const bytes = await readRecord(location.disk, path);
  if (bytes === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(decodeUtf8(bytes));
  } catch (cause) {
    throw new NeuralDiffError('storage-mismatch', `Cannot read "${path}": expected JSON`, { cause });
  }
  if (isState(value)) return value;
  throw new NeuralDiffError('storage-mismatch', `Cannot read "${path}": expected the state of an updater`);
}

/**
 * Moves a damaged state aside, so that the updater starts afresh; the caller holds the updater's lock.
 *
 * @returns the path that the damaged state has now; undefined if the state is good or missing
 */
export async function resetDamagedState(location: StateLocation): Promise<string | undefined> {
  try {
    await readState(location);
    return undefined;
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
  return moveAside(location.disk, pathOfState(location), '.damaged');
}

/** @returns the state; `first` if there is none or if it is damaged */
export async function readStateOr(location: StateLocation, first: UpdaterState): Promise<UpdaterState> {
  try {
    return (await readState(location)) ?? first;
  } catch (error) {
    if (isDamage(error)) return first;
    throw error;
  }
}

/** @returns the trial in an updater's state; undefined if there is none or the state is damaged */
export async function readTrial(location: StateLocation): Promise<Trial | undefined> {
  return (await readStateOr(location, FIRST)).trial;
}

/** Clears a trial that the storage has ended. */
export async function endTrial(location: StateLocation): Promise<void> {
  const { trial, ...state } = await readStateOr(location, FIRST);
  if (trial !== undefined) await writeState(location, state);
}

function isDamage(error: unknown): boolean {
  if (isNoFile(error)) return true;
  return error instanceof NeuralDiffError && error.code === 'storage-mismatch';
}

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isFingerprint = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{32}$/.test(value);
const isListOf = (value: unknown, is: (each: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(is);
const isString = (value: unknown): boolean => typeof value === 'string';

function isState(value: unknown): value is UpdaterState {
  if (!isObject(value)) return false;
  const { counter, trial, rejectedModels, rejectedReleases } = value;
  const areReleases = rejectedReleases === undefined || isListOf(rejectedReleases, isRejectedRelease);
  const isTrialOrNone = trial === undefined || isTrial(trial);
  return isCount(counter) && isTrialOrNone && isListOf(rejectedModels, isRejectedModel) && areReleases;
}

function isTrial(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { base, next, counter, names, starts, storage = '' } = value;
  const areIds = isFingerprint(base) && isFingerprint(next) && isString(storage);
  return areIds && isCount(counter) && isCount(starts) && isListOf(names, isString);
}

function isRejectedModel(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { model, reason = '', counter = 0, names = [] } = value;
  return isFingerprint(model) && isString(reason) && isCount(counter) && isListOf(names, isString);
}

function isRejectedRelease(value: unknown): boolean {
  return isObject(value) && [value.name, value.statement, value.code, value.by].every(isString);
}

export async function writeState(location: StateLocation, state: UpdaterState): Promise<void> {
  await writeRecord(location.disk, pathOfState(location), encodeUtf8(JSON.stringify(state)));
}

/** @returns the state after a trial was confirmed */
export function confirmed({ trial, ...state }: UpdaterState): UpdaterState {
  return trial ? { ...state, counter: trial.counter } : state;
}

/** @returns the state after a model was rejected, without a trial */
export function withRejectedModel({ trial, ...state }: UpdaterState, rejected: RejectedModel): UpdaterState {
  const { model } = rejected;
  const update = trial?.next === model ? { counter: trial.counter, names: trial.names } : {};
  const others = state.rejectedModels.filter((each) => each.model !== model);
  return {
    ...state,
    rejectedModels: [...others, { ...update, ...rejected }].slice(-MAX_REJECTED_MODELS),
  };
}
