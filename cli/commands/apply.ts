import { applyPayload, planApply } from '../../src/apply/index.js';
import { createPatcher } from '../../src/fast-apply/index.js';
import { checkOutput, readPayload, wholeModel, writeCopy } from '../../src/node/index.js';
import { type CommonFlags, type Io, printResult, remark } from '../io.js';
import { withModel } from '../with-model.js';
import { describePlan } from './verify.js';

/** Flags of `neural-diff apply`. */
export interface ApplyFlags extends CommonFlags {
  readonly base: string;
  readonly payload: string;
  readonly out: string;
  readonly force: boolean;
  readonly dryRun: boolean;
}

/** Copies a model and patches the copy; the base is only read. */
export async function runApply(flags: ApplyFlags, io: Io): Promise<void> {
  const { out, force } = flags;
  const base = await wholeModel(flags.base);
  const payload = await readPayload(flags.payload);
  await checkOutput(out, { force });
  const options = { signal: io.signal, patcher: createPatcher() };
  const fit = await withModel({ path: base }, (store) => planApply(store, payload, options));
  if (fit.problem) throw fit.problem;
  if (flags.dryRun) {
    printResult(io, flags, { json: { ...fit, dryRun: true }, lines: describePlan(fit) });
    return;
  }
  const { plan, ...result } = await writeCopy({ from: base, to: out, force }, (path) =>
    withModel({ path, writable: true }, (store) => applyPayload(store, payload, options)),
  );
  const word = result.status === 'current' ? 'already current, copied' : 'applied';
  printResult(io, flags, {
    json: { ...result, out, base: plan.base, bytesWritten: plan.bytesWritten },
    lines: [`${word}: ${result.fingerprint}`],
  });
  remark(io, flags, `wrote ${out}`);
}
