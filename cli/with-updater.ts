import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { resolve as resolvePath } from 'node:path';
import { createPatcher } from '../src/apply/fast/create-patcher.js';
import { openContainer } from '../src/containers/open-container.js';
import { openModelStorage } from '../src/node/open-model.js';
import { createUpdater } from '../src/updater/create-updater.js';
import type { Updater, UpdaterEvent, UpdaterOptions } from '../src/updater/updater.js';
import { ByteProgress } from './byte-progress.js';
import { openSource } from './folder-source.js';
import { type CommonFlags, type Io, remark } from './io.js';
import type { OwnUpdater } from './other-updater.js';

/** Flags of the commands that update a model. */
export interface ModelFlags extends CommonFlags {
  readonly model: string;
  readonly updates?: string;
}

/** Flags of `neural-diff update`. */
export interface UpdateFlags extends ModelFlags {
  readonly repo: string;
  readonly root: string;
  readonly deviceClass?: string;
  readonly full: boolean;
  readonly maxBytes?: number;
  readonly test?: string;
  readonly confirm: boolean;
  readonly dryRun: boolean;
}

/** What stands behind the name of a model's main file in that of its updater's folder. */
const FOLDER_ENDING = '.updates';

/** An updater on a model of this machine, and the model. */
export interface ModelUpdater extends OwnUpdater {
  readonly updater: Updater;
}

/** Opens a model's updater, lets something use it, and closes it whatever happened. */
export async function withUpdater<T>(
  flags: ModelFlags & Partial<UpdateFlags>,
  io: Io,
  use: (opened: ModelUpdater) => Promise<T>,
): Promise<T> {
  const storage = await openModelStorage(flags.model);
  const progress = new ByteProgress(io, flags);
  const { disk, file } = storage;
  const folder = flags.updates ?? file + FOLDER_ENDING;
  const onEvent = (event: UpdaterEvent): void => tell(event, { progress, io, flags });
  try {
    const updater = createUpdater({
      ...{ storage, disk, folder, onEvent, patcher: createPatcher() },
      ...(await repositoryOf(flags)),
      openModelFile: openContainer,
    });
    return await use({ updater, storage, folder, model: flags.model });
  } finally {
    progress.finish();
    await storage.close();
  }
}

type RepositoryOptions = Pick<UpdaterOptions, 'source' | 'root' | 'policy' | 'deviceClass' | 'selfTest'>;

/** Commands without a repository ask none. */
async function repositoryOf(flags: ModelFlags & Partial<UpdateFlags>): Promise<RepositoryOptions> {
  const { repo = '', root, deviceClass, full = true, maxBytes, test, model } = flags;
  return {
    source: openSource(repo),
    root: root === undefined ? new Uint8Array(0) : new Uint8Array(await readFile(root)),
    deviceClass,
    policy: { full: full ? 'auto' : 'never', maxBytes },
    ...(test !== undefined && { selfTest: (_, { signal }) => runTest(test, { model, signal }) }),
  };
}

/** Runs a command of the user's on the model, as it is patched and not yet kept. */
function runTest(
  command: string,
  { model, signal }: { model: string; signal: AbortSignal | undefined },
): Promise<void> {
  const env = { ...process.env, NEURAL_DIFF_MODEL: resolvePath(model) };
  // A group of its own: what the shell started ends with it.
  const child = spawn(command, { shell: true, stdio: ['ignore', 2, 2], env, detached: true });
  const stop = (): void => {
    try {
      process.kill(-(child.pid as number), 'SIGTERM');
    } catch {
      child.kill();
    }
  };
  signal?.addEventListener('abort', stop, { once: true });
  return new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, killed) =>
      status === 0 ? resolve() : reject(new Error(`"${command}" ended with ${status ?? killed}`)),
    );
  }).finally(() => signal?.removeEventListener('abort', stop));
}

function tell(
  event: UpdaterEvent,
  { progress, io, flags }: { progress: ByteProgress; io: Io; flags: CommonFlags },
): void {
  if (event.type === 'progress') {
    progress.report(event);
    return;
  }
  progress.finish();
  if (event.type === 'planned') remark(io, flags, event.plan.reason);
  if (event.type === 'rolled-back') remark(io, flags, `rolled ${event.next} back: ${event.reason}`);
}
