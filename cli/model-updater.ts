import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { createPatcher } from '../src/apply/fast/create-patcher.js';
import { openContainer } from '../src/containers/open-container.js';
import { NeuralDiffError } from '../src/model/errors.js';
import { type FileStorage, openModelStorage } from '../src/node/open-model.js';
import { fingerprintOf } from '../src/storage/storage.js';
import { createUpdater } from '../src/updater/create-updater.js';
import { openHttpSource, type UpdateSource } from '../src/updater/http-source.js';
import { readTrial, type Trial } from '../src/updater/state.js';
import type { Updater, UpdaterEvent, UpdaterOptions } from '../src/updater/updater.js';
import type { CommonFlags, Flags, FlagsOf } from './command.js';
import { UsageError } from './exit-codes.js';
import type { UPDATER_FLAGS } from './flags.js';
import { openFolderSource } from './folder-source.js';
import { type Io, remark } from './io.js';
import { runModelTest } from './model-test.js';
import { readSmall } from './open.js';
import { byteProgress, type ProgressFlags, type ProgressLine } from './progress.js';

/** Flags of the commands that only look at a model or end its trial. */
export type UpdaterFlags = FlagsOf<typeof UPDATER_FLAGS> & ProgressFlags;

/** Flags that say how a model is updated from a repository. */
export const REPOSITORY_FLAGS = {
  repo: {
    type: 'string',
    placeholder: 'address',
    isRequired: true,
    description: 'Repository of releases: address of a web server, or a folder',
  },
  root: {
    type: 'string',
    placeholder: 'file',
    isRequired: true,
    description:
      'Root metadata that this device trusts: 1.root.json of the repository, obtained over a trusted channel',
  },
  deviceClass: { type: 'string', placeholder: 'class', description: 'Class of this device' },
  channel: {
    type: 'string',
    placeholder: 'name',
    description:
      'Release channel that this device follows, such as beta; default: only releases without a channel',
  },
  deviceId: {
    type: 'string',
    placeholder: 'id',
    description:
      'Name of this device in staged rollouts, never sent; default: a random one, kept on the device',
  },
  full: {
    type: 'boolean',
    default: true,
    description: 'Never download the whole model; default: do so where it is smaller, or no payload fits',
  },
  maxBytes: { type: 'number', placeholder: 'bytes', description: 'Do not download more than this' },
  header: {
    type: 'string',
    placeholder: 'name: value',
    isRepeated: true,
    description: 'Header of each request to the repository, such as "Authorization: …"; may be repeated',
  },
  test: {
    type: 'string',
    placeholder: 'command',
    description:
      'Shell command that tests the model at NEURAL_DIFF_MODEL, with the golden inputs of the release, if any, ' +
      'at NEURAL_DIFF_GOLDEN; if it fails, the old model is restored',
  },
} as const satisfies Flags;

type RepositoryFlags = Partial<FlagsOf<typeof REPOSITORY_FLAGS>>;

/** What follows the name of a model's main file in that of its updater's folder. */
export const FOLDER_ENDING = '.updates';

/** A model on this machine and its updater. */
export interface ModelUpdater {
  readonly storage: FileStorage;
  /** The updater's folder, next to the model. */
  readonly folder: string;
  /** Path of the model, as on the command line. */
  readonly model: string;
  readonly updater: Updater;
}

/** Opens a model's updater, lets a function use it, and closes it whatever happens. */
export async function withUpdater<T>(
  flags: UpdaterFlags & RepositoryFlags,
  io: Io,
  use: (opened: ModelUpdater) => Promise<T>,
): Promise<T> {
  const storage = await openModelStorage(flags.model);
  const progress = byteProgress(io, flags);
  const { disk, file } = storage;
  const folder = flags.updates ?? file + FOLDER_ENDING;
  try {
    const updater = createUpdater({
      storage,
      disk,
      folder,
      onEvent: (event) => show(event, { progress, io, flags }),
      patcher: createPatcher(),
      ...(await repositoryOf(flags)),
      openModelFile: openContainer,
    });
    return await use({ updater, storage, folder, model: flags.model });
  } finally {
    progress.finish();
    await storage.close();
  }
}

type RepositoryOptions = Pick<
  UpdaterOptions,
  'source' | 'root' | 'policy' | 'deviceClass' | 'channel' | 'deviceId' | 'selfTest'
>;

/**
 * Opens a repository with the flags of an updater. A command without a repository opens one that is never
 * asked.
 */
export async function repositoryOf(
  flags: Partial<UpdaterFlags> & RepositoryFlags,
): Promise<RepositoryOptions> {
  const { repo = '', root, full = true, maxBytes, test, model = '', header = [] } = flags;
  const { deviceClass, channel, deviceId } = flags;
  return {
    source: openSource(repo, headersOf(header)),
    root: root === undefined ? new Uint8Array(0) : await readSmall(root),
    ...{ deviceClass, channel, deviceId },
    policy: { full: full ? 'auto' : 'never', maxBytes },
    ...(test !== undefined && {
      selfTest: (_, { plan, golden, signal }) =>
        runModelTest(test, {
          model,
          golden: golden && { name: plan.golden?.file.name ?? '', bytes: golden },
          signal,
        }),
    }),
  };
}

function show(
  event: UpdaterEvent,
  { progress, io, flags }: { progress: ProgressLine; io: Io; flags: CommonFlags & RepositoryFlags },
): void {
  if (event.type === 'progress') {
    progress.report(event);
    return;
  }
  progress.finish();
  if (event.type === 'planned') remark(io, flags, event.plan.reason);
  if (event.type === 'planned' && event.plan.golden && flags.test === undefined)
    remark(io, flags, 'the release has golden inputs, which are not run without --test');
  if (event.type === 'state-reset')
    remark(io, flags, `the updater's state was damaged: it is kept as ${event.aside}, and a new one begins`);
  if (event.type === 'rolled-back') remark(io, flags, `rolled ${event.next} back: ${event.reason}`);
}

/** @throws UsageError for a header without a name or value */
function headersOf(lines: readonly string[]): Record<string, string> {
  const pairs = lines.map((line) => {
    const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+): *(\S.*)$/.exec(line) ?? [];
    // The value may be a secret.
    if (name === undefined || value === undefined) throw new UsageError('Expected --header as "Name: value"');
    return [name, value] as const;
  });
  return Object.fromEntries(pairs);
}

/** @throws UsageError for what is neither an address nor a folder */
function openSource(repository: string, headers: Readonly<Record<string, string>>): UpdateSource {
  if (repository !== '' && !/^https?:\/\//.test(repository) && !existsSync(repository))
    throw new UsageError(
      `Expected --repo to be a folder or an address with https://, got "${repository}", which is not there`,
    );
  return /^https?:\/\//.test(repository)
    ? openHttpSource({ url: repository, headers })
    : openFolderSource(repository);
}

/**
 * Looks next to a model for the updater of another program that has it on trial, in a folder of another name.
 * Updaters that have another model of the folder on trial, perhaps a copy of this one, do not count.
 *
 * @param readFingerprint reads the model's fingerprint; called only where there is such a folder
 * @returns the folder; undefined where there is none, or the updater that was asked has a trial itself
 */
export async function findOtherTrial(
  { storage, folder }: Pick<ModelUpdater, 'storage' | 'folder'>,
  readFingerprint: () => Promise<string> = () => fingerprintOf(storage),
): Promise<string | undefined> {
  const { disk, path = '' } = storage;
  if ((await disk.size(path)) === undefined) return undefined;
  if ((await readTrial({ disk, folder })) !== undefined) return undefined;
  let found: string | undefined;
  for (const other of await foldersNextTo(storage)) {
    if (other === folder) continue;
    // Files of other programs may have the same name.
    const trial = await readTrial({ disk, folder: other }).catch(() => undefined);
    if (trial === undefined || (await isOfOtherModel(trial, storage))) continue;
    if (trial.storage === path) return other;
    found ??= await readFingerprint();
    if (trial.next === found) return other;
  }
  return undefined;
}

/** @returns whether a trial names another model of the folder, which has a journal of its own */
async function isOfOtherModel({ storage: named }: Trial, { disk, path }: FileStorage): Promise<boolean> {
  if (named === undefined || named === path) return false;
  return (await disk.size(named).catch(() => undefined)) !== undefined;
}

/** @throws NeuralDiffError `on-trial` where another updater has the model on trial; only that can end it */
export async function refuseOtherTrial(own: Omit<ModelUpdater, 'updater'>): Promise<void> {
  const other = await findOtherTrial(own);
  if (other === undefined) return;
  const why = `it is on trial by the updater in "${other}"; give --updates ${other}`;
  const message = `Cannot change "${own.model}": ${why}`;
  throw new NeuralDiffError('on-trial', message, { facts: { found: other } });
}

async function foldersNextTo({ root }: FileStorage): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}
