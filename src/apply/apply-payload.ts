import { throwIfAborted } from '../model/abort.js';
import { NeuralDiffError } from '../model/errors.js';
import { fingerprint } from '../model/fingerprint.js';
import type { WeightStore } from '../model/store.js';
import type { Bytes } from '../payload/byte-source.js';
import { type OpenPayload, openPayload } from '../payload/open-payload.js';
import { type ChunkBuffers, changedRuns, createChunkBuffers, eachChunk } from './chunks.js';
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
  if (opened.files) {
    // Loaded where it is needed: bundlers leave it out of the code that all devices load.
    const { applyFiles } = await import('./apply-files.js');
    const { found, plan } = await applyFiles(store, opened, { ...options, payloadBytes: payload.length });
    return { status: plan.status === 'current' ? 'current' : 'applied', fingerprint: found, plan };
  }
  const buffers = createChunkBuffers(options.patcher);
  const plan = await planOpenPayload(store, opened, { ...options, buffers, payloadBytes: payload.length });
  if (plan.problem) throw plan.problem;
  if (plan.status === 'current') return { status: 'current', fingerprint: plan.next, plan };
  throwIfAborted(options.signal);
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
  await eachChunk({ store, payload, touchedOnly: true, ...chunkOptions }, async (chunk) => {
    for (const { start, end } of changedRuns(chunk)) {
      await store.write(chunk.info.name, chunk.byteOffset + start, chunk.after.subarray(start, end));
    }
    bytesDone += chunk.after.length;
    onProgress({ phase: 'write', done: bytesDone, total: bytesTotal });
  });
}

function readBack(store: WeightStore, options: ApplyOptions): Promise<string> {
  return fingerprint(store, {
    ...(options.sha256 && { sha256: options.sha256 }),
    onProgress: ({ done, total }) => options.onProgress?.({ phase: 'verify', done, total }),
  });
}
