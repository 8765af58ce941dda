import { throwIfAborted } from '../model/abort.js';
import { equalBytes } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { sha256 } from '../model/fingerprint.js';
import { checkPayload } from '../release/check-payload.js';
import type { FoundReleases } from '../release/find-releases.js';
import { openMemoryMetadata } from '../release/metadata.js';
import type { ReleaseStatement } from '../release/statement.js';
import { checkFree, type Disk } from '../storage/disk.js';
import { deviceOf } from './check-releases.js';
import { downloadJob, fetchUpTo, pathOfDownload, removeDownloads } from './download.js';
import { findAllReleases } from './find-all-releases.js';
import { refreshFromSource, withSource } from './list-targets.js';
import { chooseWhole, type PullOptions, type WholeRelease } from './pull-release.js';
import type { CallOptions } from './updater.js';

/** A model on this device that may be damaged. */
export interface SuspectModel {
  /** Fingerprint of what is there; undefined if that cannot be opened. */
  readonly found?: string | undefined;
  /** Fingerprint of the model that was installed last, if known. */
  readonly installed?: string | undefined;
  /** What the names of whole models that can take its place end with. */
  readonly ending: string;
}

/** How a damaged model is repaired. */
export interface RepairPlan {
  /** The whole model that takes its place. */
  readonly release: WholeRelease;
  readonly chunkBytes: number;
  /** By chunk of the release's file, whether it must be fetched. */
  readonly isDamaged: readonly boolean[];
  /** Bytes to fetch. */
  readonly bytes: number;
}

/**
 * Finds the whole model that a damaged one can be repaired with: the one that was installed last where it is
 * released whole, else the newest.
 *
 * @returns undefined for a model that the repository knows, so that nothing is damaged
 * @throws NeuralDiffError `no-route` without such a whole model, `network`, and the codes of `refreshTrust`
 */
export async function findRepair(
  options: PullOptions,
  { found, installed, ending }: SuspectModel,
  { signal }: CallOptions,
): Promise<WholeRelease | undefined> {
  const trust = await refreshFromSource({ ...options, store: openMemoryMetadata(), signal });
  const follower = {
    fingerprint: found ?? installed ?? '',
    rejectedModels: [],
    rejectedIn: async () => new Map(),
  };
  const releases = await withSource({ ...options, signal }, (fetch) =>
    findAllReleases(trust, { ...deviceOf(options, 0), ...follower }, (path, maxBytes) =>
      fetch(`targets/${path}`, maxBytes),
    ),
  );
  if (found !== undefined && isKnown(found, releases)) return undefined;
  const { usable } = releases;
  const same = usable.filter(({ statement }) => statement.next === installed);
  return chooseWhole([...same, ...usable], trust, ending);
}

/** @returns whether a release is for a model or leads to it */
function isKnown(model: string, { usable, refused }: FoundReleases): boolean {
  const statements = [...usable, ...refused].flatMap(({ statement }) => statement ?? []);
  return statements.some(({ base, next }) => base === model || next === model);
}

/**
 * Compares what is left of a model with the signed digests of a release's chunks. Without digests, everything
 * counts as damaged.
 *
 * @param copy path on the disk of what is left, in the form of the release's file; undefined for nothing
 * @throws NeuralDiffError `network`; `payload-mismatch` for digests that are not the signed ones
 */
export async function planRepair(
  options: PullOptions,
  release: WholeRelease,
  { copy, signal }: CallOptions & { readonly copy: string | undefined },
): Promise<RepairPlan> {
  const { statement } = release;
  const { chunkBytes = Math.max(1, statement.bytes) } = statement.chunks ?? {};
  const count = Math.ceil(statement.bytes / chunkBytes);
  const digests = await fetchDigests(options, statement, signal);
  const isDamaged: boolean[] = [];
  let bytes = 0;
  for (let chunk = 0; chunk < count; chunk++) {
    throwIfAborted(signal);
    const range = rangeOf({ statement, chunkBytes }, chunk);
    const digest = digests?.subarray(32 * chunk, 32 * (chunk + 1));
    const found = copy !== undefined && digest ? await readChunk(options.disk, copy, range) : undefined;
    const isGood = found !== undefined && digest !== undefined && equalBytes(await sha256(found), digest);
    isDamaged.push(!isGood);
    if (!isGood) bytes += range.length;
  }
  return { release, chunkBytes, isDamaged, bytes };
}

/** @returns the digests of a whole model's chunks; undefined if the repository has none */
async function fetchDigests(
  options: PullOptions,
  { name, bytes, chunks }: ReleaseStatement,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  if (chunks === undefined) return undefined;
  const list = await withSource({ ...options, signal }, (fetch) =>
    fetch(`targets/${chunks.sha256}.${chunks.name}`, chunks.bytes),
  );
  if (list === undefined) return undefined;
  await checkPayload(list, chunks);
  const expected = 32 * Math.ceil(bytes / chunks.chunkBytes);
  if (list.length === expected) return list;
  const message = `Cannot repair by "${name}": expected ${expected} bytes of digests, got ${list.length}`;
  throw new NeuralDiffError('payload-mismatch', message, { facts: { expected, found: list.length } });
}

/** A part of a file. */
interface Range {
  readonly start: number;
  readonly length: number;
}

function rangeOf(
  { statement: { bytes }, chunkBytes }: { statement: ReleaseStatement; chunkBytes: number },
  chunk: number,
): Range {
  const start = chunk * chunkBytes;
  return { start, length: Math.min(chunkBytes, bytes - start) };
}

/** @returns a part of a file; undefined where the file is too short or cannot be read */
async function readChunk(
  disk: Disk,
  path: string,
  { start, length }: Range,
): Promise<Uint8Array | undefined> {
  const bytes = new Uint8Array(length);
  try {
    if (((await disk.size(path)) ?? 0) < start + length) return undefined;
    await disk.readInto(path, start, bytes);
    return bytes;
  } catch (error) {
    // A sector that the disk has lost.
    if (error instanceof NeuralDiffError && error.code === 'file-unreadable') return undefined;
    throw error;
  }
}

/**
 * Makes the release's file in the updater's downloads: undamaged chunks are copied, others fetched. After an
 * interruption it goes on. `installWhole` checks and installs the file.
 *
 * @param copy as in `planRepair`
 * @throws NeuralDiffError `no-space` before anything is fetched; `network`
 */
export async function fetchDamaged(
  options: PullOptions,
  { release, chunkBytes, isDamaged }: RepairPlan,
  { copy = '', signal }: CallOptions & { readonly copy: string | undefined },
): Promise<void> {
  const { disk } = options;
  const { statement, path } = release;
  const job = downloadJob(options, { file: statement, path, signal });
  const target = pathOfDownload(options, statement);
  await removeDownloads(options, [statement]);
  let at = (await disk.size(target)) ?? 0;
  await checkFree(disk, statement.bytes - at, 'repair a model');
  while (at < statement.bytes) {
    throwIfAborted(signal);
    const chunk = Math.floor(at / chunkBytes);
    const { start, length } = rangeOf({ statement, chunkBytes }, chunk);
    const good = isDamaged[chunk] ? undefined : await readChunk(disk, copy, { start, length });
    at = start + length;
    if (good) {
      await disk.write(target, start, good);
      continue;
    }
    // Neighbours are fetched with one request.
    for (let next = chunk + 1; isDamaged[next]; next++) at += rangeOf({ statement, chunkBytes }, next).length;
    await fetchUpTo(job, at);
  }
}
