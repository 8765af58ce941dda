import { stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { openContainer } from '../src/containers/open-container.js';
import { encodeSafetensors } from '../src/containers/write-safetensors.js';
import { NeuralDiffError } from '../src/model/errors.js';
import {
  type FileStorage,
  locateModel,
  type ModelPlace,
  openStorageAt,
  wholeModel,
} from '../src/node/open-model.js';
import { moveAside } from '../src/storage/disk.js';
import { fingerprintOf } from '../src/storage/storage.js';
import { readHistory } from '../src/updater/history.js';
import { installWeights, installWhole, type PullOptions } from '../src/updater/pull-release.js';
import { fetchDamaged, findRepair, planRepair, type RepairPlan } from '../src/updater/repair-model.js';
import { endTrial, readTrial } from '../src/updater/state.js';
import type { UpdaterEvent } from '../src/updater/updater.js';
import type { CommonFlags, FlagsOf } from './command.js';
import { countOf, formatBytes, type Io } from './io.js';
import { FOLDER_ENDING, type REPOSITORY_FLAGS, repositoryOf } from './model-updater.js';
import { byteProgress, type ProgressFlags } from './progress.js';

/** Flags of a repair. */
export type RepairFlags = CommonFlags &
  ProgressFlags &
  Partial<FlagsOf<typeof REPOSITORY_FLAGS>> & {
    readonly model: string;
    readonly updates?: string;
    readonly dryRun?: boolean;
  };

/** What a repair did, or would do. */
export interface Repair {
  readonly text: string;
  /** Name of the release, bytes that were fetched, and its bytes; nothing for an undamaged model. */
  readonly release?: string;
  readonly fetched?: number;
  readonly of?: number;
}

/**
 * Repairs a model on this device by a signed whole model of a repository: fetches only its damaged chunks. A
 * model of a single file is replaced at once, one of several files in place. Undoes an interrupted update
 * first.
 *
 * @throws NeuralDiffError `no-route`, `network`, `locked`, `no-space`, `payload-mismatch`; any error of
 *   opening a model of several files
 */
export async function repairModel(flags: RepairFlags, io: Io): Promise<Repair> {
  const storage = openStorageAt(await placeOf(flags.model));
  const { disk, file } = storage;
  const folder = flags.updates ?? file + FOLDER_ENDING;
  const progress = byteProgress(io, flags);
  const onEvent = (event: UpdaterEvent): void => {
    if (event.type === 'progress') progress.report(event);
  };
  try {
    const options = { ...(await repositoryOf(flags)), onEvent, disk, folder, openModelFile: openContainer };
    return await disk.withLock(`${folder}/updater`, () => repair(storage, options, { flags, io }));
  } finally {
    progress.finish();
    await storage.close();
  }
}

/** Finds a model, whose only file may be missing. */
async function placeOf(path: string): Promise<ModelPlace> {
  const isMissing = extname(path) !== '' && !(await stat(path).catch(() => undefined));
  return isMissing ? { folder: dirname(path), file: basename(path) } : locateModel(path);
}

async function repair(
  storage: FileStorage,
  options: PullOptions,
  { flags, io: { signal } }: { flags: RepairFlags; io: Io },
): Promise<Repair> {
  const { found, isRolledBack = false } = await recoverModel(storage, options, flags);
  const installed = await installedBefore(options);
  const whole: Repair = {
    text: isRolledBack ? 'rolled back: the model on trial was damaged' : 'nothing is damaged',
  };
  if (found !== undefined && found === installed) return whole;
  const isFile = await isSingleFile(storage);
  const ending = isFile ? extname(storage.file) : '';
  const release = await findRepair(options, { found, installed, ending }, { signal });
  if (release === undefined) return whole;
  const copy = isFile ? storage.file : `${options.folder}/damaged.safetensors`;
  try {
    if (!isFile) await packTo(storage, copy);
    const plan = await planRepair(options, release, { copy, signal });
    if (flags.dryRun !== true) await install(storage, options, { plan, copy, found, isFile, signal });
    return describe(plan, flags);
  } finally {
    if (!isFile) await storage.disk.remove(copy);
  }
}

async function install(
  storage: FileStorage,
  options: PullOptions,
  { plan, copy, found, isFile, signal }: Installation,
): Promise<void> {
  const { release } = plan;
  await fetchDamaged(options, plan, { copy, signal });
  if (isFile) await installWhole(options, release, { path: storage.file, found, signal });
  else await installWeights({ ...options, storage }, release, { found: found ?? '', signal });
}

/** A planned repair of a model. */
interface Installation {
  readonly plan: RepairPlan;
  /** Path on the disk of what is left of the model. */
  readonly copy: string;
  readonly found: string | undefined;
  readonly isFile: boolean;
  readonly signal: AbortSignal;
}

/** @returns the fingerprint of the model that an updater has on trial, or installed last */
async function installedBefore(options: PullOptions): Promise<string | undefined> {
  return (await readTrial(options))?.next ?? (await readHistory(options)).at(-1)?.next;
}

/** @returns whether the model is a single file, which another one may replace, whatever is in it */
async function isSingleFile({ root, file }: FileStorage): Promise<boolean> {
  if (file.endsWith('.json')) return false;
  const whole = await ifGood(() => wholeModel(join(root, file)));
  return whole?.files === undefined;
}

/** Writes what is left of a model of several files as one file, which is how a publisher packs it. */
async function packTo({ disk, open }: FileStorage, path: string): Promise<void> {
  const store = await open();
  try {
    // An interrupted repair may have left a longer one.
    await disk.remove(path);
    let at = 0;
    for await (const piece of encodeSafetensors(store).pieces) {
      await disk.write(path, at, piece);
      at += piece.length;
    }
  } finally {
    await store.close();
  }
}

function describe({ release, bytes, isDamaged }: RepairPlan, { dryRun }: RepairFlags): Repair {
  const { name, bytes: of, counter } = release.statement;
  const damaged = isDamaged.filter((each) => each).length;
  const chunks = `${damaged} of ${countOf(isDamaged.length, 'chunk')}`;
  const did = dryRun ? 'would fetch' : 'fetched';
  const text = `${did} ${formatBytes(bytes)} of ${formatBytes(of)}, ${chunks}, from release ${counter}, "${name}"`;
  return { text, release: name, fetched: bytes, of };
}

/**
 * Undoes an interrupted update, and a trial whose model is damaged. A journal that cannot do so is kept under
 * another name.
 *
 * @returns `found`: the fingerprint of the model; undefined if it cannot be opened
 */
async function recoverModel(
  storage: FileStorage,
  options: PullOptions,
  { dryRun }: RepairFlags,
): Promise<{ found: string | undefined; isRolledBack?: boolean }> {
  const { disk, path: journal = '' } = storage;
  const read = () => ifGood(() => fingerprintOf(storage));
  const status = await ifGood(() => storage.recover());
  const found = await read();
  const isOnTrial = status === 'trial' && found === (await readTrial(options))?.next;
  if (dryRun || isOnTrial || (await disk.size(journal)) === undefined) return { found };
  const isRolledBack = status === 'trial' && (await ifGood(() => storage.rollback())) === true;
  if ((await disk.size(journal)) !== undefined) await moveAside(disk, journal, '.damaged');
  await endTrial(options);
  return { found: await read(), isRolledBack };
}

/** @returns a result; undefined for an error that a damaged model or journal has */
async function ifGood<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    const isDamage = error instanceof NeuralDiffError && !['locked', 'no-space'].includes(error.code);
    if (isDamage) return undefined;
    throw error;
  }
}
