import { NeuralDiffError } from '../model/errors.js';
import { fingerprint } from '../model/fingerprint.js';
import type { WeightStore } from '../model/store.js';
import type { Bytes } from '../payload/byte-source.js';
import { type OpenPayload, openPayload } from '../payload/decode.js';
import { borrowChunks, type ChunkBuffer, changedRuns, createChunkBuffer } from './chunks.js';
import { type ApplyOptions, type ApplyPlan, planOpen } from './plan.js';

/** What `applyPayload` did. */
export interface ApplyResult {
  /** `applied`, or `current` when the model already was the next one and nothing was written. */
  readonly status: 'applied' | 'current';
  /** Fingerprint of the model as it is stored now, in hexadecimal digits. */
  readonly fingerprint: string;
  readonly plan: ApplyPlan;
}

/**
 * Patches a model in place.
 *
 * 1. Open the payload and compare its layout. 2. Read the base, decode the payload on the way, checking every bound, and
 * compute, in memory, the fingerprint of what is there and of what would result: refuse unless both are as the payload
 * says. 3. Write the pages that change.
 * 4. Read everything back and compare the fingerprint. Nothing is written before step 3.
 *
 * @param store the model; memory beside it stays at a few chunks of 1 MiB
 * @param payload the payload file
 * @returns what was done
 * @throws NeuralDiffError `wrong-layout`, `wrong-base`,
 *   `result-mismatch`, `unsupported-model` for tensors that cannot be written and the payload's own codes with the model untouched; `storage-mismatch` when the store gives
 *   back other bytes than were written
 */
export async function applyPayload(
  store: WeightStore,
  payload: Bytes,
  options: ApplyOptions = {},
): Promise<ApplyResult> {
  const opened = await openPayload(payload);
  const room = createChunkBuffer(options.patcher);
  const plan = await planOpen(store, opened, { ...options, room, payloadBytes: payload.length });
  if (plan.problem) throw plan.problem;
  if (plan.status === 'current') return { status: 'current', fingerprint: plan.next, plan };
  options.signal?.throwIfAborted();
  const progress = holdErrors(options.onProgress);
  const bytesTotal = plan.tensors.reduce((sum, tensor) => sum + tensor.bytesRead, 0);
  const { patcher } = options;
  await writeChanges(store, opened, { onProgress: progress.call, patcher, room, bytesTotal });
  await store.flush();
  const found = await readBack(store, { ...options, onProgress: progress.call });
  if (found !== plan.next) {
    const message = `Cannot trust the store: expected ${plan.next} after writing, got ${found}`;
    throw new NeuralDiffError('storage-mismatch', message, { facts: { expected: plan.next, found } });
  }
  progress.release();
  return { status: 'applied', fingerprint: found, plan };
}

type OnProgress = NonNullable<ApplyOptions['onProgress']>;

/** A callback that throws must not stop the writing half-way: what it throws waits until the model is whole. */
function holdErrors(onProgress: OnProgress | undefined): { call: OnProgress; release: () => void } {
  const held: unknown[] = [];
  return {
    call(progress) {
      try {
        onProgress?.(progress);
      } catch (error) {
        held.push(error);
      }
    },
    release() {
      if (held.length > 0) throw held[0];
    },
  };
}

async function writeChanges(
  store: WeightStore,
  payload: OpenPayload,
  {
    onProgress,
    bytesTotal,
    ...walk
  }: { onProgress: OnProgress; bytesTotal: number; room: ChunkBuffer } & Pick<ApplyOptions, 'patcher'>,
): Promise<void> {
  let bytesDone = 0;
  for await (const chunk of borrowChunks(store, payload, { touchedOnly: true, ...walk })) {
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
