import { randomUUID } from 'node:crypto';
import { type FileHandle, link, lstat, open, readdir, rm, stat, truncate, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { NeuralDiffError } from '../model/errors.js';
import { withFileErrors } from './file-errors.js';
import { type Holder, isGone, isRunning, isSameProcess, parseHolder, thisProcess } from './lock-holder.js';
import { READ_WITHOUT_WAITING } from './read-whole.js';

/** Options of `lockFile`. */
interface LockOptions {
  /** Milliseconds between heartbeats, which update the file's time; defaults to 5,000. */
  readonly beatMs?: number;
  /**
   * Milliseconds without a heartbeat after which a lock is watched for two more beats; defaults to 30,000.
   */
  readonly staleMs?: number;
  /** Whether the start times of processes are used, if the system reports them; defaults to true. */
  readonly knowsStarts?: boolean;
}

const DEFAULT_BEAT_MS = 5_000;
const DEFAULT_STALE_MS = 30_000;

/** Milliseconds after which a process that was writing or clearing a lock is assumed to be killed. */
const LOCK_GRACE_MS = 10_000;

/**
 * Runs an operation while a lock file names this process.
 *
 * A lock file is stale if its process has ended or if the machine was restarted since. If the system does not
 * report start times, a process ID may have been reused, and processes of other PID namespaces (containers)
 * are not visible; in these cases, and for a lock that this process could not remove, a file without
 * heartbeats is stale too. Processes of other machines are not distinguished. A file with other content, a
 * pipe, a device or a folder of that name is never removed.
 *
 * @param path path of the lock file; its folder must exist
 * @param run the operation; it gets a check to be called before each write, which throws `locked` if this
 *   process was suspended for so long that another one took the lock
 * @throws NeuralDiffError `locked` if another process, or this one, holds the lock
 */
export async function lockFile<T>(
  path: string,
  run: (check: () => Promise<void>) => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const file = await withFileErrors(`Cannot lock "${path}"`, () => take(path, options));
  const { beatMs = DEFAULT_BEAT_MS } = options;
  let last = performance.now();
  const beat = async (): Promise<void> => {
    if (!(await isOwn(path, file))) throw lockedBy(path, (await look(path))?.holder);
    const now = new Date();
    await file.utimes(now, now);
    last = performance.now();
  };
  const timer = setInterval(() => void beat().catch(() => undefined), beatMs);
  timer.unref();
  try {
    // A stale lock is watched for two beats before it is taken.
    return await run(async () => {
      if (performance.now() - last >= 2 * beatMs) await beat();
    });
  } finally {
    clearInterval(timer);
    await release(path, file);
  }
}

/** @returns whether no other process has replaced the lock file */
async function isOwn(path: string, file: FileHandle): Promise<boolean> {
  const [own, found] = await Promise.all([file.stat(), stat(path).catch(() => undefined)]);
  return found?.ino === own.ino && found.dev === own.dev;
}

/**
 * Removes the lock, unless another process took it while this one was suspended.
 *
 * A lock that cannot be removed is emptied, and its time set back: it is stale then, as one without
 * heartbeats is later. So nothing is thrown: the operation's own result counts.
 */
async function release(path: string, file: FileHandle): Promise<void> {
  const isMine = await isOwn(path, file).catch(() => false);
  await file.close().catch(() => undefined);
  if (!isMine) return;
  try {
    await rm(path, { force: true });
  } catch {
    await truncate(path)
      .then(() => utimes(path, 0, 0))
      .catch(() => undefined);
  }
}

async function take(path: string, options: LockOptions): Promise<FileHandle> {
  const self = await thisProcess(options.knowsStarts);
  const first = await tryToTake(path, self);
  if (first !== undefined) return first;
  const seen = await look(path);
  if (seen !== undefined) {
    if (seen.holder === 'foreign') throw foreignLock(path);
    if (await isHeld(path, seen, { ...options, self })) throw lockedBy(path, seen.holder);
    await clear(path, seen, self);
  }
  const second = await tryToTake(path, self);
  if (second !== undefined) return second;
  throw lockedBy(path, (await look(path))?.holder);
}

const tryToTake = (path: string, self: Holder): Promise<FileHandle | undefined> =>
  createWhole(path, JSON.stringify(self));

/** The state of a lock file at some time. */
interface Seen {
  readonly ino: number;
  readonly mtimeMs: number;
  readonly text: string;
  readonly holder: ReturnType<typeof parseHolder>;
}

/** Maximum bytes of a lock file. */
const MAX_LOCK_BYTES = 4_096;

/** @returns undefined for a file that is missing or unreadable; pipes, devices and folders are `foreign` */
async function look(path: string): Promise<Seen | undefined> {
  const file = await open(path, READ_WITHOUT_WAITING).catch(() => undefined);
  try {
    // Sockets and links without a target cannot be opened.
    const found = file ? await file.stat() : await lstat(path);
    const text = file && found.isFile() ? await readStart(file) : undefined;
    if (text === undefined && found.isFile()) return undefined;
    const { ino, mtimeMs } = found;
    if (text === undefined || text.length > MAX_LOCK_BYTES)
      return { ino, mtimeMs, text: '', holder: 'foreign' };
    return { ino, mtimeMs, text, holder: parseHolder(text) };
  } catch {
    return undefined;
  } finally {
    await file?.close();
  }
}

/** @returns the first bytes of a file as characters: at most one more than a lock has */
async function readStart(file: FileHandle): Promise<string> {
  const bytes = Buffer.alloc(MAX_LOCK_BYTES + 1);
  let length = 0;
  while (length < bytes.length) {
    const { bytesRead } = await file.read(bytes, length, bytes.length - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.toString('latin1', 0, length);
}

async function isHeld(
  path: string,
  seen: Seen,
  { self, beatMs = DEFAULT_BEAT_MS, staleMs = DEFAULT_STALE_MS }: LockOptions & { self: Holder },
): Promise<boolean> {
  const { holder, mtimeMs } = seen;
  if (typeof holder === 'string') return !isOlder(mtimeMs, LOCK_GRACE_MS);
  if (isGone(holder, self)) return false;
  const isSame = await isSameProcess(holder, self);
  if (isSame === false) return false;
  if (isSame && holder.pid !== self.pid) return true;
  if (!isOlder(mtimeMs, staleMs)) return true;
  // The file's time is unreliable after clock changes and sleep, so watch for a heartbeat.
  await new Promise((resolve) => setTimeout(resolve, 2 * beatMs));
  return !isSameFile(await look(path), seen);
}

function isOlder(mtimeMs: number, milliseconds: number): boolean {
  return Math.abs(Date.now() - mtimeMs) > milliseconds;
}

function isSameFile(found: Seen | undefined, seen: Seen): boolean {
  return found?.ino === seen.ino && found.mtimeMs === seen.mtimeMs && found.text === seen.text;
}

/**
 * Removes a stale lock. A second lock file ensures that one process at a time does so and that a new lock is
 * not removed. A second lock file of a killed process is removed by the next one.
 */
async function clear(path: string, seen: Seen, self: Holder): Promise<void> {
  const clearing = `${path}.clearing`;
  const file = (await tryToTake(clearing, self)) ?? (await takeOver(clearing, self));
  if (file === undefined) return;
  try {
    if (isSameFile(await look(path), seen)) await rm(path, { force: true });
    for (const each of [path, clearing]) await removeDrafts(each, isRunning);
  } finally {
    await release(clearing, file);
  }
}

async function takeOver(clearing: string, self: Holder): Promise<FileHandle | undefined> {
  const found = await look(clearing);
  const { holder, mtimeMs = Date.now() } = found ?? {};
  if (holder === 'foreign') throw foreignLock(clearing);
  const isOver =
    holder instanceof Object && (isGone(holder, self) || (await isSameProcess(holder, self)) === false);
  if (!isOver && !isOlder(mtimeMs, LOCK_GRACE_MS)) return undefined;
  await rm(clearing, { force: true });
  return tryToTake(clearing, self);
}

function lockedBy(path: string, holder: Seen['holder'] | undefined): NeuralDiffError {
  const pid = holder instanceof Object ? holder.pid : undefined;
  const owner = pid === undefined ? 'another process' : `process ${pid}`;
  const message = `Cannot lock "${path}": ${owner} holds it; remove the file if that process has ended`;
  return new NeuralDiffError('locked', message, { facts: { pid } });
}

function foreignLock(path: string): NeuralDiffError {
  const why = 'the file of that name is no lock of this package; remove it if nothing else needs it';
  return new NeuralDiffError('locked', `Cannot lock "${path}": ${why}`);
}

/**
 * Creates a small file together with its content: a draft is written, then linked to the name.
 *
 * If the disk is full or the file system has no hard links, the file is created first and then written if
 * possible.
 *
 * @returns the open file; undefined if the name exists
 */
export async function createWhole(path: string, text: string): Promise<FileHandle | undefined> {
  const draft = `${path}.${process.pid}.${randomUUID().slice(0, 8)}`;
  const file = await write(draft, text);
  if (file === undefined) return createPlain(path, text);
  try {
    await link(draft, path);
    return file;
  } catch (error) {
    await file.close();
    if (isTaken(error)) return undefined;
    return await createPlain(path, text);
  } finally {
    await tryToRemove(draft);
  }
}

/** Removes a draft; one that stays does no harm. */
const tryToRemove = (path: string): Promise<void> => rm(path, { force: true }).catch(() => undefined);

async function write(path: string, text: string): Promise<FileHandle | undefined> {
  const file = await open(path, 'wx').catch(() => undefined);
  try {
    await file?.writeFile(text);
    return file;
  } catch {
    await file?.close().catch(() => undefined);
    await tryToRemove(path);
    return undefined;
  }
}

async function createPlain(path: string, text: string): Promise<FileHandle | undefined> {
  try {
    const file = await open(path, 'wx');
    // On a full disk the file remains empty.
    await file.writeFile(text).catch(() => undefined);
    return file;
  } catch (error) {
    if (isTaken(error)) return undefined;
    throw error;
  }
}

const isTaken = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EEXIST';

/** Removes the drafts of killed processes, known by their names and content. */
async function removeDrafts(path: string, isRunning: (pid: number) => boolean): Promise<void> {
  const folder = dirname(path);
  const start = `${basename(path)}.`;
  for (const name of await readdir(folder).catch(() => [])) {
    const [, pid] = name.startsWith(start)
      ? (/^(\d+)\.[0-9a-f]{8}$/.exec(name.slice(start.length)) ?? [])
      : [];
    if (pid === undefined || isRunning(Number(pid))) continue;
    const holder = (await look(join(folder, name)))?.holder;
    const isDraft = holder instanceof Object ? holder.pid === Number(pid) : holder === 'unfinished';
    if (isDraft) await tryToRemove(join(folder, name));
  }
}
