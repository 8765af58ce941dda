import { equalBytes, hex } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { fingerprint } from '../model/fingerprint.js';
import { CHUNK_BYTES } from '../model/limits.js';
import type { ModelFiles } from '../model/model-files.js';
import { Sha256Stream } from '../model/sha256-stream.js';
import type { WeightStore } from '../model/store.js';
import { totalBytes } from '../model/tensor.js';
import { Yielder } from '../model/yielder.js';
import type { OpenPayload } from '../payload/open-payload.js';
import { createChunkBuffers } from './chunks.js';
import { type Assembly, checkFilesBase, eachPiece } from './new-files.js';
import type { ApplyOptions, ApplyPlan } from './plan.js';

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
 * @returns the fingerprint of the stored model
 * @throws NeuralDiffError as `applyPayload`
 */
export async function applyFiles(
  store: WeightStore,
  payload: OpenPayload,
  { onProgress, ...options }: ApplyOptions & { readonly payloadBytes: number },
): Promise<{ readonly found: string; readonly plan: ApplyPlan }> {
  const { header } = payload;
  const report = (phase: 'check' | 'write' | 'verify') => (step: { done: number; total: number }) =>
    onProgress?.({ ...step, phase });
  const checked = await checkFilesBase(store, payload, { ...options, onProgress: report('check') });
  const { found } = checked;
  const known = {
    ...{ base: header.base, next: header.next, found, meta: header.meta, tensors: [] },
    ...{ payloadBytes: options.payloadBytes, modelBytes: totalBytes(store.tensors) },
  };
  if (checked.isCurrent) return { found, plan: { ...known, status: 'current', bytesWritten: 0, runs: 0 } };
  const { frame, structure } = checked;
  const { made } = frame.facts;
  const total = made.reduce((sum, { bytes }) => sum + bytes, 0);
  const plan: ApplyPlan = {
    ...{ ...known, status: 'ready', files: frame.facts, bytesWritten: total, runs: made.length },
  };
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
  if (written === header.next) return { found: written, plan };
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
  await eachPiece(assembly, async ({ file, offset, bytes }) => {
    await files.write(file.path, offset, bytes);
    done += bytes.length;
    onBytes(done);
  });
}

/** Reads the files back. @throws NeuralDiffError `storage-mismatch` */
async function checkWritten(
  files: ModelFiles,
  { frame, createSha256 = () => new Sha256Stream(), signal }: Assembly,
): Promise<void> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  const yielder = new Yielder(signal);
  for (const { path, bytes, sha256 } of frame.record.files) {
    const hash = createSha256();
    for (let at = 0; at < bytes; at += buffer.length) {
      await yielder.tick();
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
