import { createPatcher } from '../../src/apply/fast/create-patcher.js';
import { type ApplyPlan, planApply } from '../../src/apply/plan.js';
import { NeuralDiffError } from '../../src/model/errors.js';
import type { ByteSource } from '../../src/payload/byte-source.js';
import { checkPayload } from '../../src/release/check-payload.js';
import { checkRelease } from '../../src/release/find-releases.js';
import type { ReleaseStatement } from '../../src/release/statement.js';
import { verifyRelease } from '../../src/release/verify-release.js';
import { ByteProgress } from '../byte-progress.js';
import { UsageError } from '../exit-codes.js';
import { type CommonFlags, formatBytes, type Io, printResult } from '../io.js';
import { readPublicKeys, readSmall } from '../release-flags.js';
import { withModel } from '../with-model.js';
import { withPayload } from '../with-payload.js';
import { describeRelease } from './sign.js';

/** Flags of `neural-diff verify`. */
export interface VerifyFlags extends CommonFlags {
  readonly model: string;
  readonly payload: string;
  readonly release?: string;
  readonly key?: readonly string[];
  readonly threshold?: number;
  readonly counter?: number;
  readonly deviceClass?: string;
}

/** Says whether a payload fits a model, or is what the model has already, and is signed; writes nothing. */
export async function runVerify(flags: VerifyFlags, io: Io): Promise<void> {
  const progress = new ByteProgress(io, flags);
  const options = { signal: io.signal, patcher: createPatcher(), onProgress: progress.report };
  const release = await openRelease(flags);
  const plan = await withPayload(flags.payload, async (payload) => {
    // Nothing of a payload is read before it is the one that was signed.
    if (release) await checkPayload(piecesOf(payload), release);
    return withModel({ path: flags.model }, (store) => planApply(store, payload, options));
  }).finally(() => progress.finish());
  if (release) checkPromise(plan, release);
  if (plan.problem) throw plan.problem;
  const lines = [...(release ? describeRelease(release) : []), ...describePlan(plan)];
  printResult(io, flags, { json: { ...plan, ...(release && { release }) }, lines });
}

async function openRelease(flags: VerifyFlags): Promise<ReleaseStatement | undefined> {
  const { release, key = [], threshold = 1, counter = 0, deviceClass } = flags;
  if (release === undefined && key.length === 0) return undefined;
  if (release === undefined || key.length === 0)
    throw new UsageError('Expected --release and --key, the one beside the other');
  const keys = await readPublicKeys(key);
  const now = () => new Date();
  const statement = await verifyRelease(await readSmall(release), { keys, threshold, now });
  checkRelease(statement, { counter, ...(deviceClass !== undefined && { deviceClass }) }, now());
  return statement;
}

function* piecesOf(payload: ByteSource): Generator<Uint8Array> {
  for (let at = 0; at < payload.length; ) {
    const piece = payload.borrow(at);
    yield piece;
    at += piece.length;
  }
}

/** What a payload says of itself must be what its release says of it. */
function checkPromise({ base, next }: ApplyPlan, release: ReleaseStatement): void {
  if (base === release.base && next === release.next) return;
  const message = `Cannot use release "${release.name}": its payload is for other models than it says`;
  throw new NeuralDiffError('metadata-mismatch', message, { facts: { expected: release.next, found: next } });
}

/** @returns a plan in words */
export function describePlan(plan: ApplyPlan): string[] {
  if (plan.status === 'current') return [`already current: the model is ${plan.next}`];
  return [
    `fits: the model is ${plan.base}`,
    `gives ${plan.next}`,
    `changes ${plan.tensors.length} tensors, writes ${formatBytes(plan.bytesWritten)} of ${formatBytes(plan.modelBytes)}`,
  ];
}
