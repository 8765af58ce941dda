import { applyPayload, planApply } from '../../src/apply/index.js';
import { createPatcher } from '../../src/fast-apply/index.js';
import { checkOutput, readPayload, wholeModel, writeCopy } from '../../src/node/index.js';
import { UsageError } from '../exit-codes.js';
import { type CommonFlags, type Io, printResult, remark } from '../io.js';
import { withModel } from '../with-model.js';
import { describePlan } from './verify.js';

/** Flags of `neural-diff apply`: either `out` or `inPlace`. */
export interface ApplyFlags extends CommonFlags {
  readonly base: string;
  readonly payload: string;
  readonly out?: string;
  readonly inPlace: boolean;
  readonly force: boolean;
  readonly dryRun: boolean;
}

/** Patches a copy of a model, or the model itself. */
export async function runApply(flags: ApplyFlags, io: Io): Promise<void> {
  const { out, force, inPlace } = flags;
  if (inPlace === (out !== undefined)) throw new UsageError('Expected either --out or --in-place');
  const base = await wholeModel(flags.base);
  const payload = await readPayload(flags.payload);
  if (out !== undefined) await checkOutput(out, { force });
  const options = { signal: io.signal, patcher: createPatcher() };
  const fit = await withModel({ path: flags.base }, (store) => planApply(store, payload, options));
  if (fit.problem) throw fit.problem;
  if (flags.dryRun) {
    printResult(io, flags, { json: { ...fit, dryRun: true }, lines: describePlan(fit) });
    return;
  }
  const patch = (path: string) =>
    withModel({ path, writable: true }, (store) => applyPayload(store, payload, options));
  const { plan, ...result } =
    out === undefined ? await patch(flags.base) : await writeCopy({ from: base, to: out, force }, patch);
  const path = out ?? flags.base;
  const unchanged = out === undefined ? 'already current' : 'already current, copied';
  const word = result.status === 'current' ? unchanged : 'applied';
  printResult(io, flags, {
    json: { ...result, out: path, base: plan.base, bytesWritten: plan.bytesWritten },
    lines: [`${word}: ${result.fingerprint}`],
  });
  remark(io, flags, `wrote ${out ?? `${plan.bytesWritten} bytes of ${path}`}`);
}
