import { applyPayload } from '../apply/apply-payload.js';
import { throwIfAborted } from '../model/abort.js';
import { NeuralDiffError } from '../model/errors.js';
import { fingerprint } from '../model/fingerprint.js';
import { CHUNK_BYTES } from '../model/limits.js';
import type { WeightStore } from '../model/store.js';
import { byteLength, canonicalOrder, type TensorInfo } from '../model/tensor.js';
import type { Bytes } from '../payload/byte-source.js';
import { openPayload } from '../payload/open-payload.js';
import type { ReleaseStatement } from '../release/statement.js';
import { type Disk, filesOnDisk } from '../storage/disk.js';
import type { UpdatePlan } from './plan-update.js';
import type { UpdaterOptions } from './updater.js';

/** A plan with its downloaded files, in the order of its steps. */
interface PlanFiles {
  readonly plan: UpdatePlan;
  readonly paths: readonly string[];
  readonly signal?: AbortSignal | undefined;
  /** Called with the release whose application failed. */
  readonly onFailure?: (statement: ReleaseStatement) => void;
}

/**
 * Applies all files of a plan to a model, in order.
 *
 * @param store the base; changed in place
 * @throws NeuralDiffError `payload-mismatch` for a payload whose models differ from the signed ones; codes of
 *   `applyPayload`
 */
export async function applyPlan(
  store: WeightStore,
  { plan, paths, signal, onFailure }: PlanFiles,
  options: UpdaterOptions,
): Promise<void> {
  const steps = plan.steps.map(({ statement }, i) => ({ path: paths[i] as string, statement, signal, plan }));
  const watch = <T>(statement: ReleaseStatement, work: Promise<T>): Promise<T> =>
    work.catch((error) => {
      onFailure?.(statement);
      throw error;
    });
  // All payloads are checked before the first one changes the model.
  for (const step of steps)
    if (step.statement.kind === 'update') await watch(step.statement, checkHeader(step, options));
  for (const step of steps) {
    const apply = step.statement.kind === 'full' ? copyWeights : applyStep;
    await watch(step.statement, apply(store, step, options));
    throwIfAborted(signal);
  }
}

interface Step {
  readonly path: string;
  readonly statement: ReleaseStatement;
  readonly signal: AbortSignal | undefined;
}

/** Checks that a payload is for the signed models. @throws NeuralDiffError `payload-mismatch` */
async function checkHeader({ path, statement }: Step, { disk }: UpdaterOptions): Promise<void> {
  const { header } = await withBytes(disk, path, openPayload);
  const [base, next] = [header.base, header.next];
  if (base === statement.base && next === statement.next) return;
  const message = `Cannot apply "${statement.name}": expected an update from ${statement.base} to ${statement.next} as signed, got ${base} to ${next}`;
  throw new NeuralDiffError('payload-mismatch', message);
}

async function applyStep(
  store: WeightStore,
  { path, statement, signal }: Step,
  { disk, patcher, onEvent }: UpdaterOptions,
): Promise<void> {
  await withBytes(disk, path, async (payload) => {
    await applyPayload(store, payload, {
      ...(signal && { signal }),
      ...(patcher && { patcher }),
      onProgress: ({ done, total }) =>
        onEvent?.({ type: 'progress', phase: 'apply', name: statement.name, done, total }),
    });
  });
}

/** Reads a file in pieces if the disk supports it, otherwise completely. */
async function withBytes<T>(disk: Disk, path: string, use: (bytes: Bytes) => Promise<T>): Promise<T> {
  if (disk.openSource === undefined) {
    const bytes = new Uint8Array((await disk.size(path)) ?? 0);
    await disk.readInto(path, 0, bytes);
    return use(bytes);
  }
  const source = await disk.openSource(path);
  try {
    return await use(source);
  } finally {
    source.close();
  }
}

/** Replaces all weights by those of a downloaded model. */
async function copyWeights(
  store: WeightStore,
  { path, statement, signal, plan }: Step & Pick<PlanFiles, 'plan'>,
  { disk, openModelFile, onEvent }: UpdaterOptions,
): Promise<void> {
  const { name } = statement;
  if (openModelFile === undefined)
    throw new RangeError(`Cannot open "${name}": expected option openModelFile`);
  const downloaded = await openModelFile(filesOnDisk({ disk, folder: '' }), path);
  try {
    checkSameLayout(store.tensors, downloaded.tensors, name);
    checkBase(await fingerprint(store), plan.base);
    const buffer = new Uint8Array(CHUNK_BYTES);
    const total = store.tensors.reduce((sum, info) => sum + byteLength(info), 0);
    let done = 0;
    const runs = store.tensors.length + Math.ceil(total / CHUNK_BYTES);
    await store.reserve?.({ bytes: total, runs });
    for (const info of canonicalOrder(store.tensors)) {
      for (let at = 0; at < byteLength(info); at += buffer.length) {
        throwIfAborted(signal);
        const piece = buffer.subarray(0, byteLength(info) - at);
        await downloaded.readInto(info.name, at, piece);
        // Tensors that cannot be written, such as the scales of a manifest, may be the same.
        if (!store.readOnly?.has(info.name) || (await differs(store, { name: info.name, at, piece })))
          await store.write(info.name, at, piece);
        done += piece.length;
        onEvent?.({ type: 'progress', phase: 'apply', name, done, total });
      }
    }
    await store.flush();
    const found = await fingerprint(store);
    if (found === statement.next) return;
    const message = `Cannot use "${name}": expected a model with fingerprint ${statement.next}, got ${found}`;
    throw new NeuralDiffError('result-mismatch', message, { facts: { expected: statement.next, found } });
  } finally {
    await downloaded.close();
  }
}

async function differs(
  store: WeightStore,
  { name, at, piece }: { name: string; at: number; piece: Uint8Array },
): Promise<boolean> {
  const found = new Uint8Array(piece.length);
  await store.readInto(name, at, found);
  return found.some((byte, i) => byte !== piece[i]);
}

/**
 * Checks the model before it is overwritten, since a rollback restores it.
 *
 * @throws NeuralDiffError `wrong-base`
 */
export function checkBase(found: string, expected: string): void {
  if (found === expected) return;
  const message = `Cannot update: expected a model with fingerprint ${expected}, got ${found}`;
  throw new NeuralDiffError('wrong-base', message, { facts: { expected, found } });
}

function checkSameLayout(base: readonly TensorInfo[], next: readonly TensorInfo[], name: string): void {
  const describe = (tensors: readonly TensorInfo[]): string =>
    JSON.stringify(canonicalOrder(tensors).map((info) => [info.name, info.dtype, info.shape]));
  if (describe(base) === describe(next)) return;
  const message = `Cannot use "${name}": expected the tensor names, dtypes and shapes of the model on this device`;
  throw new NeuralDiffError('wrong-layout', message);
}
