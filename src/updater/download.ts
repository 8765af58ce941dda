import { reasonOf, throwIfAborted } from '../model/abort.js';
import { NeuralDiffError } from '../model/errors.js';
import { CHUNK_BYTES } from '../model/limits.js';
import { checkPayload } from '../release/check-payload.js';
import type { SignedFile } from '../release/statement.js';
import { checkFree } from '../storage/disk.js';
import { setDeadline, setMinimumRate } from './deadline.js';
import type { UpdateSource } from './http-source.js';
import { ASYNC_ITERATOR, iterate } from './iterate.js';
import type { UpdatePlan } from './plan-update.js';
import type { StateLocation } from './state.js';
import type { CallOptions, UpdaterOptions } from './updater.js';

/** Default timeout of all downloads of an update in milliseconds: six hours, 4 GB at 200 kB/s. */
const DOWNLOAD_MS = 21_600_000;

/** Default minimum rate of downloads, half of what the slowest mobile networks reach. */
const MIN_BYTES_PER_SECOND = 500;

/** Default window in which the minimum rate must be met, longer than common interruptions. */
const RATE_WINDOW_MS = 60_000;

/** Options of an updater; downloads do not touch its model. */
type DownloadOptions = Omit<UpdaterOptions, 'storage'>;

/** The downloaded files of a plan. */
interface DownloadedPlan {
  /** Paths on the disk, in the order of the plan's steps. */
  readonly paths: string[];
  readonly golden?: Uint8Array;
}

/**
 * Downloads the files of a plan, and removes downloads of other plans.
 *
 * @returns paths of the files on the disk, and the content of the golden inputs
 * @throws NeuralDiffError `no-space` before anything is fetched, `network`, `payload-mismatch`; the signal's
 *   reason
 */
export async function downloadPlan(
  options: DownloadOptions,
  plan: UpdatePlan,
  { signal }: CallOptions,
): Promise<DownloadedPlan> {
  const { downloadMs: milliseconds = DOWNLOAD_MS } = options;
  const deadline = setDeadline({ milliseconds, action: 'download an update', signal });
  try {
    return await downloadFiles(options, plan, deadline.signal);
  } finally {
    deadline.end();
  }
}

async function downloadFiles(
  options: DownloadOptions,
  plan: UpdatePlan,
  signal: AbortSignal,
): Promise<DownloadedPlan> {
  const { disk } = options;
  const fetchOne = (file: SignedFile, path: string): Promise<string> =>
    download(downloadJob(options, { file, path, signal }));
  // Remove downloads of abandoned plans.
  await removeDownloads(options, [...plan.steps.map(({ statement }) => statement), ...goldenOf(plan)]);
  await checkSpace(options, plan);
  const paths: string[] = [];
  for (const { statement, path } of plan.steps) paths.push(await fetchOne(statement, path));
  if (plan.golden === undefined || options.selfTest === undefined) return { paths };
  const golden = new Uint8Array(plan.golden.file.bytes);
  await disk.readInto(await fetchOne(plan.golden.file, plan.golden.path), 0, golden);
  return { paths, golden };
}

/** @returns how a file of a release is downloaded; its path is below the repository's targets */
export function downloadJob(
  options: DownloadOptions,
  { file, path, signal }: { file: SignedFile; path: string; signal: AbortSignal | undefined },
): DownloadJob {
  const { source, onEvent, waitMs, minBytesPerSecond, rateWindowMs } = options;
  const report = (done: number): void =>
    onEvent?.({ type: 'progress', phase: 'download', name: file.name, done, total: file.bytes });
  const limits = { waitMs, minBytesPerSecond, rateWindowMs };
  return { source, location: options, path: `targets/${path}`, file, signal, ...limits, onProgress: report };
}

/** Checks the free space for the downloads; that for the update itself is checked when it begins. */
async function checkSpace({ disk, folder }: DownloadOptions, { bytes }: UpdatePlan): Promise<void> {
  const kept = await disk.list(`${folder}/downloads`);
  const sizes = await Promise.all(kept.map((path) => disk.size(path)));
  const needed = bytes - sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
  await checkFree(disk, needed, 'download an update');
}

const goldenOf = ({ golden }: UpdatePlan): SignedFile[] => (golden ? [golden.file] : []);

/** Removes downloads except those of some files. */
export async function removeDownloads(
  options: StateLocation,
  kept: readonly SignedFile[] = [],
): Promise<void> {
  const { disk, folder } = options;
  const keep = new Set(kept.map((file) => pathOfDownload(options, file)));
  for (const path of await disk.list(`${folder}/downloads`)) if (!keep.has(path)) await disk.remove(path);
}

/** A file to download. */
export interface DownloadJob {
  readonly source: UpdateSource;
  readonly location: StateLocation;
  /** Path below the repository. */
  readonly path: string;
  readonly file: SignedFile;
  /** Consecutive attempts without progress after which the download fails; defaults to 4. */
  readonly attempts?: number;
  /** Delay before another attempt in milliseconds; by default it doubles from 500 to 8,000. */
  readonly waitMs?: ((failures: number) => number) | undefined;
  readonly minBytesPerSecond?: number | undefined;
  readonly rateWindowMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (bytesDone: number) => void;
}

const DEFAULT_ATTEMPTS = 4;
const defaultWait = (failures: number): number => Math.min(8_000, 250 * 2 ** failures);

/** @returns the path of a download: named by its digest, so that it can be resumed */
export function pathOfDownload({ folder }: StateLocation, { sha256 }: SignedFile): string {
  return `${folder}/downloads/${sha256}`;
}

/**
 * Downloads a file of a release to the disk and verifies its signed length and digest.
 *
 * An earlier partial download is resumed; at most the signed length is written. A file that does not match is
 * removed and fetched again once.
 *
 * @returns the file's path on the disk
 * @throws NeuralDiffError `network`; `payload-mismatch` if the source serves another file; `no-space`; the
 *   signal's reason
 */
export async function download(job: DownloadJob): Promise<string> {
  const { disk } = job.location;
  const path = pathOfDownload(job.location, job.file);
  for (let isFirst = true; ; isFirst = false) {
    try {
      await fetchUpTo(job, job.file.bytes);
      await checkPayload(readPieces(job, path), job.file);
      await disk.sync(path);
      return path;
    } catch (error) {
      if (!isMismatch(error)) throw error;
      await disk.remove(path);
      // The mismatch may come from an earlier partial download.
      if (!isFirst) throw error;
    }
  }
}

/**
 * Fetches what is missing of a file up to an offset, in several attempts; too low a rate over all of them is
 * final.
 *
 * @throws NeuralDiffError as `download`
 */
export async function fetchUpTo(job: DownloadJob, end: number): Promise<void> {
  const { minBytesPerSecond = MIN_BYTES_PER_SECOND, rateWindowMs = RATE_WINDOW_MS, signal } = job;
  const rate = setMinimumRate({
    bytesPerSecond: minBytesPerSecond,
    windowMs: rateWindowMs,
    action: `fetch "${job.file.name}"`,
    signal,
  });
  try {
    await fetchInAttempts({ ...job, signal: rate.signal }, end, rate);
  } finally {
    rate.end();
  }
}

async function fetchInAttempts(job: DownloadJob, end: number, rate: Rate): Promise<void> {
  const { attempts = DEFAULT_ATTEMPTS, waitMs = defaultWait, signal } = job;
  const path = pathOfDownload(job.location, job.file);
  let farthest = 0;
  for (let failures = 0; ; ) {
    const before = (await job.location.disk.size(path)) ?? 0;
    if (before === end) return;
    const isUsable = before < end;
    if (!isUsable) await job.location.disk.remove(path);
    try {
      await fetchFrom(job, { path, from: isUsable ? before : 0, end }, rate);
      const got = (await job.location.disk.size(path)) ?? 0;
      if (got === end) return;
      throw endedEarly(job, got);
    } catch (error) {
      throwIfAborted(signal);
      if (!(error instanceof NeuralDiffError) || error.code !== 'network') throw error;
      const after = (await job.location.disk.size(path)) ?? 0;
      // If the source restarts each time, only getting further than before counts as progress.
      failures = after > Math.max(before, farthest) ? 1 : failures + 1;
      farthest = Math.max(farthest, after);
      if (failures >= attempts) throw error;
      await wait(waitMs(failures), signal);
    }
  }
}

type Rate = ReturnType<typeof setMinimumRate>;

/** Appends the source's bytes to the file; replaces the file if the source cannot start at the offset. */
async function fetchFrom(
  job: DownloadJob,
  { path, from, end }: { path: string; from: number; end: number },
  rate: Rate,
): Promise<void> {
  const { disk } = job.location;
  const { file } = job;
  const { offset, pieces } = await rate.within((signal) =>
    job.source.open(job.path, { offset: from, signal, ...(end < file.bytes && { end }) }),
  );
  let at = offset;
  if (offset !== from) await disk.remove(path);
  if (offset === 0) await disk.write(path, 0, new Uint8Array(0));
  await eachWithin({ pieces, rate }, async (piece) => {
    if (at + piece.length > file.bytes) {
      const message = `Cannot use "${file.name}": expected ${file.bytes} bytes as signed, got more`;
      throw new NeuralDiffError('payload-mismatch', message);
    }
    // Sources may ignore the end.
    const wanted = piece.subarray(0, end - at);
    await disk.write(path, at, wanted);
    rate.add(piece.length);
    at += wanted.length;
    job.onProgress?.(at);
    return at === end;
  });
}

/** Visits the pieces of a source that may ignore a limit, until a visit says that it was the last. */
async function eachWithin(
  { pieces, rate }: { pieces: AsyncIterable<Uint8Array>; rate: Rate },
  visit: (piece: Uint8Array) => Promise<boolean>,
): Promise<void> {
  const iterator = pieces[ASYNC_ITERATOR]();
  try {
    for (;;) {
      const next = await rate.within(() => iterator.next());
      if (next.done || (await visit(next.value))) return;
    }
  } finally {
    // Not waited for: a source that ignores the signal would never end.
    void iterator.return?.().catch(() => undefined);
  }
}

function readPieces({ location, file, signal }: DownloadJob, path: string): AsyncIterable<Uint8Array> {
  const buffer = new Uint8Array(Math.min(CHUNK_BYTES, file.bytes));
  let at = 0;
  return iterate(async () => {
    if (at >= file.bytes) return undefined;
    throwIfAborted(signal);
    const piece = buffer.subarray(0, file.bytes - at);
    await location.disk.readInto(path, at, piece);
    at += piece.length;
    return piece;
  });
}

function isMismatch(error: unknown): boolean {
  return error instanceof NeuralDiffError && error.code === 'payload-mismatch';
}

function endedEarly({ file }: DownloadJob, got: number): NeuralDiffError {
  const message = `Cannot fetch "${file.name}": expected ${file.bytes} bytes, got ${got}`;
  return new NeuralDiffError('network', message);
}

function wait(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal && reasonOf(signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
