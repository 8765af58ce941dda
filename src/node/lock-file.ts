import { mkdir, open, readFile, rm, rmdir, stat } from 'node:fs/promises';
import { uptime } from 'node:os';
import { NeuralDiffError } from '../model/index.js';
import { withFileErrors } from './file-errors.js';

/** Who holds a lock. */
interface Holder {
  readonly pid: number;
  /** Seconds from the machine's start to the process's: clocks may jump, this does not. */
  readonly started: number;
  /** Name of the machine's present run; empty where the system gives none. */
  readonly boot: string;
}

/** Milliseconds after which whoever was about to write a lock, or to clear one away, has itself been killed. */
const PATIENCE_MS = 10_000;

/**
 * Runs something while a lock file names this process. The file of a process that no longer runs counts for nothing.
 * Processes of other machines, or of other containers with numbers of their own, are not told apart.
 *
 * @param path of the lock file; its folder must exist
 * @throws NeuralDiffError `locked` where another process, or this one, holds the lock
 */
export async function lockFile<T>(path: string, run: () => Promise<T>): Promise<T> {
  await withFileErrors(`Cannot lock "${path}"`, async () => take(path, await thisProcess()));
  try {
    return await run();
  } finally {
    await rm(path, { force: true });
  }
}

async function take(path: string, self: Holder): Promise<void> {
  if (await tryToTake(path, self)) return;
  await clearStale(path, self);
  if (!(await tryToTake(path, self))) throw lockedBy(path, await readHolder(path));
}

async function tryToTake(path: string, self: Holder): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    // On a full disk the name must do: a model that waits to be put right is what the space is in.
    await file.writeFile(JSON.stringify(self)).catch(() => undefined);
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Removes the lock of a process that is gone. One process at a time does so: another one's fresh lock is not taken for it. */
async function clearStale(path: string, self: Holder): Promise<void> {
  const clearing = `${path}.clearing`;
  if (await isOld(clearing)) await rmdir(clearing).catch(() => undefined);
  const isMine = await mkdir(clearing).then(
    () => true,
    () => false,
  );
  if (!isMine) return;
  try {
    const holder = await readHolder(path);
    const isStale = holder ? !isRunning(holder, self) : await isOld(path);
    if (isStale) await rm(path, { force: true });
  } finally {
    await rmdir(clearing);
  }
}

async function isOld(path: string): Promise<boolean> {
  return stat(path).then(
    ({ mtimeMs }) => Math.abs(Date.now() - mtimeMs) > PATIENCE_MS,
    () => false,
  );
}

/** @returns undefined for a file that is gone, or was only just made */
async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}

function isRunning({ pid, started, boot }: Holder, self: Holder): boolean {
  if (boot !== self.boot) return false;
  if (pid === self.pid) return Math.abs(started - self.started) < 1;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function thisProcess(): Promise<Holder> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return { pid: process.pid, started: uptime() - process.uptime(), boot: boot.trim() };
}

function lockedBy(path: string, holder: Holder | undefined): NeuralDiffError {
  const who = holder ? `process ${holder.pid}` : 'another process';
  const message = `Cannot lock "${path}": ${who} holds it; remove the file if that is not so`;
  return new NeuralDiffError('locked', message, { facts: { pid: holder?.pid } });
}
