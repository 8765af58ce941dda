import { equalBytes, hex } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { fingerprint, Sha256Stream } from '../model/fingerprint.js';
import { CHUNK_BYTES } from '../model/limits.js';
import type { ModelFiles } from '../model/model-files.js';
import type { WeightStore } from '../model/store.js';
import { totalBytes } from '../model/tensor.js';
import type { Bytes } from '../payload/byte-source.js';
import { type OpenPayload, openPayload } from '../payload/open-payload.js';
import { borrowChunks, type ChunkBuffers, changedRuns, createChunkBuffers } from './chunks.js';
import { type Assembly, borrowFiles, checkFilesBase } from './new-files.js';
import { type ApplyOptions, type ApplyPlan, planOpenPayload } from './plan.js';

/** Result of `applyPayload`. */
export interface ApplyResult {
  /** `applied`, or `current` if the model already was the next one and nothing was written. */
  readonly status: 'applied' | 'current';
  /** Fingerprint of the stored model, in hexadecimal digits. */
  readonly fingerprint: string;
  readonly plan: ApplyPlan;
}

/**
 * Patches a model in place.
 *
 * 1. Open the payload and compare its layout.
 * 2. Read the base, decode and check the payload, and compute in memory the fingerprints of the base and of
 * the result; refuse the payload unless both match its header.
 * 3. Write the pages that change.
 * 4. Read everything back and compare the fingerprint.
 *
 * A payload that makes new files is not applied in place: in step 2 the SHA-256 of each file is checked as it
 * is written, by the store's `rewrite`; in step 4 it is checked again, and the new model is opened.
 *
 * @param store the model; a few chunks of 1 MiB are held in memory
 * @param payload the payload file
 * @throws NeuralDiffError with the model unchanged: `wrong-layout`, `wrong-base`, `result-mismatch`,
 *   `unsupported-model` for tensors that cannot be written, `needs-copy` for a payload that makes new files
 *   where the store has no `rewrite`, `no-space` in storage, and the codes of
 *   `openPayload`; `storage-mismatch` if the store returns other bytes than were written
 *
 * @example
 * const store = await openModel('models/v1', { writable: true });
 * const { status } = await applyPayload(store, await readPayload('v2.ndiff'));
 * console.log(status); // `applied`; `current` the next time
 * await store.close();
 */
export async function applyPayload(
  store: WeightStore,
  payload: Bytes,
  options: ApplyOptions = {},
): Promise<ApplyResult> {
  const opened = await openPayload(payload);
  if (opened.files) return applyFiles(store, opened, { ...options, payloadBytes: payload.length });
  const buffers = createChunkBuffers(options.patcher);
  const plan = await planOpenPayload(store, opened, { ...options, buffers, payloadBytes: payload.length });
  if (plan.problem) throw plan.problem;
  if (plan.status === 'current') return { status: 'current', fingerprint: plan.next, plan };
  options.signal?.throwIfAborted();
  await store.reserve?.({ bytes: plan.bytesWritten, runs: plan.runs });
  const progress = deferErrors(options.onProgress);
  const bytesTotal = plan.tensors.reduce((sum, tensor) => sum + tensor.bytesRead, 0);
  const { patcher } = options;
  await writeChanges(store, opened, { onProgress: progress.call, patcher, buffers, bytesTotal });
  await store.flush();
  const found = await readBack(store, { ...options, onProgress: progress.call });
  if (found !== plan.next) {
    const message = `Cannot verify the written model: expected fingerprint ${plan.next}, got ${found}`;
    throw new NeuralDiffError('storage-mismatch', message, { facts: { expected: plan.next, found } });
  }
  progress.rethrow();
  return { status: 'applied', fingerprint: found, plan };
}

type OnProgress = NonNullable<ApplyOptions['onProgress']>;

/** Collects errors of a callback until the model is complete, so that they do not interrupt the writing. */
function deferErrors(onProgress: OnProgress | undefined): { call: OnProgress; rethrow: () => void } {
  const errors: unknown[] = [];
  return {
    call(progress) {
      try {
        onProgress?.(progress);
      } catch (error) {
        errors.push(error);
      }
    },
    rethrow() {
      if (errors.length > 0) throw errors[0];
    },
  };
}

async function writeChanges(
  store: WeightStore,
  payload: OpenPayload,
  {
    onProgress,
    bytesTotal,
    ...chunkOptions
  }: { onProgress: OnProgress; bytesTotal: number; buffers: ChunkBuffers } & Pick<ApplyOptions, 'patcher'>,
): Promise<void> {
  let bytesDone = 0;
  for await (const chunk of borrowChunks(store, payload, { touchedOnly: true, ...chunkOptions })) {
    for (const { start, end } of changedRuns(chunk)) {
      await store.write(chunk.info.name, chunk.byteOffset + start, chunk.after.subarray(start, end));
    }
    bytesDone += chunk.after.length;
    onProgress({ phase: 'write', done: bytesDone, total: bytesTotal });
  }
}

function readBack(store: WeightStore, options: ApplyOptions): Promise<string> {
  return fingerprint(store, {
    ...(options.sha256 && { sha256: options.sha256 }),
    onProgress: ({ done, total }) => options.onProgress?.({ phase: 'verify', done, total }),
  });
}

/**
 * Replaces a model by the files that a payload makes.
 *
 * 1. Compare the layout, and read the base to compare its fingerprint and, where the payload needs it, the
 * rest of its files.
 * 2. Write the new files into an empty folder, a piece at a time; refuse the payload unless the SHA-256 of
 * each is the stated one.
 * 3. Read the files back and compare again.
 * 4. Open the new model and compare its fingerprint.
 *
 * @param store the base; it needs `rewrite`, unless it already is the next model
 * @throws NeuralDiffError as `applyPayload`
 */
async function applyFiles(
  store: WeightStore,
  payload: OpenPayload,
  { onProgress, ...options }: ApplyOptions & { readonly payloadBytes: number },
): Promise<ApplyResult> {
  const { header } = payload;
  const report = (phase: 'check' | 'write' | 'verify') => (step: { done: number; total: number }) =>
    onProgress?.({ ...step, phase });
  const checked = await checkFilesBase(store, payload, { ...options, onProgress: report('check') });
  const { found, frame, structure } = checked;
  const { made } = frame.facts;
  const total = checked.isCurrent ? 0 : made.reduce((sum, { bytes }) => sum + bytes, 0);
  const plan: ApplyPlan = {
    status: checked.isCurrent ? 'current' : 'ready',
    ...{ base: header.base, next: header.next, found, meta: header.meta, files: frame.facts },
    ...{ payloadBytes: options.payloadBytes, modelBytes: totalBytes(store.tensors) },
    ...{ bytesWritten: total, runs: checked.isCurrent ? 0 : made.length, tensors: [] },
  };
  if (checked.isCurrent) return { status: 'current', fingerprint: found, plan };
  if (store.rewrite === undefined) throw needsCopy();
  const { patcher, signal, createSha256 } = options;
  const assembly: Assembly = {
    ...{ frame, payload, structure, createSha256, patcher, buffers: createChunkBuffers(patcher) },
    ...(signal && { signal }),
  };
  await store.rewrite(async (files) => {
    await files.reserve?.({ bytes: total, runs: made.length });
    await writeFiles(files, assembly, (done) => report('write')({ done, total }));
    await files.flush();
    await checkWritten(files, assembly);
    return (made[0] as (typeof made)[number]).path;
  });
  const written = await fingerprint(store, { ...options, onProgress: report('verify') });
  if (written === header.next) return { status: 'applied', fingerprint: written, plan };
  const facts = { expected: header.next, found: written };
  const message = `Cannot apply payload: expected files of a model with fingerprint ${facts.expected}, got ${facts.found}`;
  throw new NeuralDiffError('result-mismatch', message, { facts });
}

async function writeFiles(
  files: ModelFiles,
  assembly: Assembly,
  onBytes: (done: number) => void,
): Promise<void> {
  // Files without bytes are made too.
  for (const { path } of assembly.frame.record.files) await files.write(path, 0, new Uint8Array(0));
  let done = 0;
  for await (const { file, offset, bytes } of borrowFiles(assembly)) {
    await files.write(file.path, offset, bytes);
    done += bytes.length;
    onBytes(done);
  }
}

/** Reads the files back. @throws NeuralDiffError `storage-mismatch` */
async function checkWritten(
  files: ModelFiles,
  { frame, createSha256 = () => new Sha256Stream(), signal }: Assembly,
): Promise<void> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (const { path, bytes, sha256 } of frame.record.files) {
    const hash = createSha256();
    for (let at = 0; at < bytes; at += buffer.length) {
      signal?.throwIfAborted();
      const piece = buffer.subarray(0, bytes - at);
      await files.readInto(path, at, piece);
      hash.add(piece);
    }
    const found = hash.finish();
    if (equalBytes(found, sha256)) continue;
    const facts = { expected: hex(sha256), found: hex(found) };
    const message = `Cannot verify the written file "${path}": expected SHA-256 ${facts.expected}, got ${facts.found}`;
    throw new NeuralDiffError('storage-mismatch', message, { facts });
  }
}

/** @returns the error for a payload that makes new files where the model would be patched in place */
function needsCopy(): NeuralDiffError {
  const message =
    'Cannot apply payload in place: it makes new files; write a copy (apply --out), or keep the model in storage with two copies (openSlots)';
  return new NeuralDiffError('needs-copy', message);
}
