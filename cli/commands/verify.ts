import { type ApplyPlan, planApply } from '../../src/apply/index.js';
import { createPatcher } from '../../src/fast-apply/index.js';
import { ByteProgress } from '../byte-progress.js';
import { type CommonFlags, formatBytes, type Io, printResult } from '../io.js';
import { withModel } from '../with-model.js';
import { withPayload } from '../with-payload.js';

/** Flags of `neural-diff verify`. */
export interface VerifyFlags extends CommonFlags {
  readonly model: string;
  readonly payload: string;
}

/** Says whether a payload fits a model, or is what the model has already; writes nothing. */
export async function runVerify(flags: VerifyFlags, io: Io): Promise<void> {
  const progress = new ByteProgress(io, flags);
  const options = { signal: io.signal, patcher: createPatcher(), onProgress: progress.report };
  const plan = await withPayload(flags.payload, (payload) =>
    withModel({ path: flags.model }, (store) => planApply(store, payload, options)),
  ).finally(() => progress.finish());
  if (plan.problem) throw plan.problem;
  printResult(io, flags, { json: plan, lines: describePlan(plan) });
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
