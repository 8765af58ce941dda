import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { applyPayload } from '../../apply/apply-payload.js';
import { diffFiles } from '../../exact-diff/diff-files.js';
import { diffStores } from '../../exact-diff/diff-stores.js';
import { CHUNK_BYTES } from '../../model/limits.js';
import { copyModel, openMemoryStore, type WeightStore } from '../../model/store.js';
import { byteLength, totalBytes } from '../../model/tensor.js';
import { compressedSize } from '../../node/compressed.js';
import { withFileErrors } from '../../node/file-errors.js';
import { createFileSpool } from '../../node/file-spool.js';
import { openFilesModel } from '../../node/files-model.js';
import { openModel } from '../../node/open-model.js';
import { layoutOf } from '../../payload/header.js';
import type { Alternative } from '../document.js';
import { BYTE_DIFFERS, type FilePair, runByteDiffer } from './byte-differs.js';
import type { OpenModels } from './open-models.js';
import { type CheckedPayload, withPayload } from './open-payloads.js';
import { withTemporaryFolder } from './run-program.js';
import type { Steps } from './steps.js';

/** What to measure in addition to the payloads. */
export interface AlternativesPlan {
  /** The full fine-tune. */
  readonly next?: unknown;
  /** Whether to run other programs. */
  readonly byteDiffers?: boolean | undefined;
}

/** @returns the number of steps of `measureAlternatives` */
export function stepsOfAlternatives({ next, byteDiffers = true }: AlternativesPlan): number {
  if (next === undefined) return 1;
  return byteDiffers ? 3 + BYTE_DIFFERS.length : 2;
}

/** How to measure alternatives. */
export interface AlternativesJob {
  /** A payload, whose result is used in place of a missing full fine-tune. */
  readonly payload: CheckedPayload;
  /** Path of the full fine-tune. */
  readonly next?: string | undefined;
  readonly byteDiffers?: boolean | undefined;
  readonly steps: Steps;
}

/**
 * Measures alternative ways of shipping the full fine-tune. Without one, only the model that the payload
 * makes is measured, whole.
 *
 * @throws NeuralDiffError `limit-exceeded`, `no-space`; errors of the stores; the signal's reason
 */
export async function measureAlternatives(
  { base, next }: OpenModels,
  job: AlternativesJob,
): Promise<Alternative[]> {
  const { payload, steps } = job;
  const full = next ?? (await openResult(base, payload));
  try {
    const isFloat32 = full.tensors.every(({ dtype }) => dtype === 'float32');
    const name = isFloat32 ? 'full model, float32' : 'full model, as stored';
    const plain = { name, bytes: totalBytes(full.tensors) };
    const doing = 'compressing the full model';
    const compressed = await steps.run(doing, () => measureCompressed(full, steps.signal));
    if (next === undefined) return [plain, compressed];
    return [plain, compressed, ...(await measureDiffs({ base, next }, job))];
  } finally {
    if (next === undefined) await full.close();
  }
}

async function measureCompressed(store: WeightStore, signal: AbortSignal | undefined): Promise<Alternative> {
  const { bytes, isEstimate, by } = await compressedSize(store, signal);
  const note = isEstimate ? `${by}, estimated from a part of the model` : by;
  return { name: 'full model, compressed', bytes, note };
}

/** Opens the model that a payload makes. */
async function openResult(base: WeightStore, { path, made }: CheckedPayload): Promise<WeightStore> {
  if (made !== undefined) return openModel(made);
  const copy = openMemoryStore(await copyModel(base));
  await withPayload(path, ({ bytes }) => applyPayload(copy, bytes));
  return copy;
}

interface Pair {
  readonly base: WeightStore;
  readonly next: WeightStore;
}

function measureDiffs(
  pair: Pair,
  { byteDiffers = true, steps, next }: AlternativesJob,
): Promise<Alternative[]> {
  return withTemporaryFolder(async (folder) => {
    const job = { folder, next: next as string, signal: steps.signal };
    const ways = [await steps.run('making an exact diff', () => measureExact(pair, job))];
    if (!byteDiffers) return ways;
    const files = await steps.run('writing both models for other programs', () =>
      writeBoth(pair, folder, steps.signal),
    );
    for (const name of BYTE_DIFFERS) {
      const found = await steps.run(`running ${name}`, () => runByteDiffer(name, files, steps.signal));
      ways.push('problem' in found ? { name, note: found.problem } : { name, bytes: found.bytes });
    }
    return ways;
  });
}

/** Diffs the weights, or whole files if the full fine-tune has other tensors. */
async function measureExact(
  { base, next }: Pair,
  { folder, next: path, signal }: { folder: string; next: string; signal: AbortSignal | undefined },
): Promise<Alternative> {
  const spool = createFileSpool(join(folder, 'exact'));
  const files =
    (await layoutOf(base.tensors)) !== (await layoutOf(next.tensors))
      ? await openFilesModel(path)
      : undefined;
  try {
    const diff = files
      ? await diffFiles(base, files, { spool, signal })
      : await diffStores(base, next, { spool, signal });
    return { name: files ? 'exact diff of files' : 'exact diff', bytes: diff.payloadBytes };
  } finally {
    spool.close();
    await files?.store.close();
  }
}

async function writeBoth(pair: Pair, folder: string, signal: AbortSignal | undefined): Promise<FilePair> {
  const files = { base: join(folder, 'base'), next: join(folder, 'next'), folder };
  const names = pair.base.tensors.map(({ name }) => name);
  await writeTensors(pair.base, names, { path: files.base, signal });
  // In the same order; those that the base does not have come last.
  const known = new Set(names);
  const own = new Set(pair.next.tensors.map(({ name }) => name));
  const ordered = [...names.filter((name) => own.has(name)), ...[...own].filter((name) => !known.has(name))];
  await writeTensors(pair.next, ordered, { path: files.next, signal });
  return files;
}

/** Writes the bytes of tensors to a file, one after the other. */
async function writeTensors(
  store: WeightStore,
  names: readonly string[],
  { path, signal }: { path: string; signal: AbortSignal | undefined },
): Promise<void> {
  const infos = new Map(store.tensors.map((info) => [info.name, info]));
  const buffer = new Uint8Array(CHUNK_BYTES);
  await withFileErrors(`Cannot write "${path}"`, async () => {
    const file = await open(path, 'wx');
    try {
      for (const name of names) {
        const total = byteLength(infos.get(name) as (typeof store.tensors)[number]);
        for (let start = 0; start < total; start += CHUNK_BYTES) {
          signal?.throwIfAborted();
          const chunk = buffer.subarray(0, Math.min(CHUNK_BYTES, total - start));
          await store.readInto(name, start, chunk);
          await file.writeFile(chunk);
        }
      }
    } finally {
      await file.close();
    }
  });
}
