import { type ApplyResult, applyPayload, planApply } from '../../src/apply/index.js';
import { checkOutput, modelFolder, openModel, readPayload, writeCopy } from '../../src/node/index.js';
import { type CommonFlags, type Io, printResult, remark } from '../io.js';
import { describePlan } from './verify.js';

/** Flags of `neural-diff apply`. */
export interface ApplyFlags extends CommonFlags {
  readonly base: string;
  readonly payload: string;
  readonly out: string;
  readonly force: boolean;
  readonly dryRun: boolean;
}

/** Copies a model folder and patches the copy; the base is only read. */
export async function runApply(flags: ApplyFlags, io: Io): Promise<void> {
  const { out, force } = flags;
  const base = await modelFolder(flags.base);
  const payload = await readPayload(flags.payload);
  await checkOutput(out, { force });
  const store = await openModel(base);
  try {
    const plan = await planApply(store, payload, { signal: io.signal });
    if (plan.problem) throw plan.problem;
    if (flags.dryRun) {
      printResult(io, flags, { json: { ...plan, dryRun: true }, lines: describePlan(plan) });
      return;
    }
  } finally {
    await store.close();
  }
  const { plan, ...result } = await writeCopy({ from: base, to: out, force }, (copy) =>
    patch(copy, payload, io),
  );
  const word = result.status === 'current' ? 'already current, copied' : 'applied';
  printResult(io, flags, {
    json: { ...result, out, base: plan.base, bytesWritten: plan.bytesWritten },
    lines: [`${word}: ${result.fingerprint}`],
  });
  remark(io, flags, `wrote ${out}`);
}

async function patch(folder: string, payload: Uint8Array, io: Io): Promise<ApplyResult> {
  const store = await openModel(folder, { writable: true });
  try {
    return await applyPayload(store, payload, { signal: io.signal });
  } finally {
    await store.close();
  }
}
