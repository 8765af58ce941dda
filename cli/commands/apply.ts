import { extname, join } from 'node:path';
import { type ApplyResult, applyPayload } from '../../src/apply/apply-payload.js';
import { createPatcher } from '../../src/apply/fast/create-patcher.js';
import { type ApplyOptions, planApply } from '../../src/apply/plan.js';
import { openModelStorage, type WholeModel, wholeModel } from '../../src/node/open-model.js';
import { type CopyPaths, checkOutput, writeCopy } from '../../src/node/output.js';
import type { ByteSource } from '../../src/payload/byte-source.js';
import { openPayload } from '../../src/payload/decode.js';
import { ByteProgress } from '../byte-progress.js';
import { UsageError } from '../exit-codes.js';
import { type CommonFlags, type Io, printResult, remark } from '../io.js';
import { keepHeapSmall } from '../small-heap.js';
import { withModel } from '../with-model.js';
import { withPayload } from '../with-payload.js';
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
  if (flags.inPlace === (flags.out !== undefined))
    throw new UsageError('Expected either --out or --in-place');
  keepHeapSmall();
  const progress = new ByteProgress(io, flags);
  try {
    await withPayload(flags.payload, (payload) => patch({ payload, progress }, flags, io));
  } finally {
    progress.finish();
  }
}

async function patch(
  { payload, progress }: { payload: ByteSource; progress: ByteProgress },
  flags: ApplyFlags,
  io: Io,
): Promise<void> {
  const { out, force } = flags;
  const copy = out === undefined ? undefined : await planCopy(flags.base, out, force);
  const options = { signal: io.signal, patcher: createPatcher(), onProgress: progress.report };
  if (copy || flags.dryRun) {
    // Nothing is copied for a payload that does not fit.
    const fit = await withModel({ path: flags.base }, (store) => planApply(store, payload, options));
    if (fit.problem) throw fit.problem;
    if (flags.dryRun) {
      printResult(io, flags, { json: { ...fit, dryRun: true }, lines: describePlan(fit) });
      return;
    }
  }
  const { plan, ...result } = copy
    ? await writeCopy(copy, (staged) =>
        withModel({ path: join(staged, copy.main), writable: true }, (store) =>
          applyPayload(store, payload, options),
        ),
      )
    : await patchInPlace({ payload, options }, flags, io);
  progress.finish();
  const path = out ?? flags.base;
  const unchanged = out === undefined ? 'already current' : 'already current, copied';
  const word = result.status === 'current' ? unchanged : 'applied';
  printResult(io, flags, {
    json: { ...result, out: path, base: plan.base, bytesWritten: plan.bytesWritten },
    lines: [`${word}: ${result.fingerprint}`],
  });
  remark(io, flags, `wrote ${out ?? `${plan.bytesWritten} bytes of ${path}`}`);
}

/** Patches the model itself, under an undo journal. */
async function patchInPlace(
  { payload, options }: { payload: ByteSource; options: ApplyOptions },
  flags: ApplyFlags,
  io: Io,
): Promise<ApplyResult> {
  const storage = await openModelStorage(flags.base);
  try {
    if ((await storage.recover()) === 'undone')
      remark(io, flags, 'undid an update that had not come to its end');
    const { header } = await openPayload(payload);
    const results: ApplyResult[] = [];
    const names = { base: header.base, next: header.next };
    await storage.update(async (store) => void results.push(await applyPayload(store, payload, options)), {
      ...names,
      isTrial: false,
      signal: options.signal,
    });
    return results[0] as ApplyResult;
  } finally {
    await storage.close();
  }
}

/** Finds what belongs to a model, and checks that a copy of it may be made. */
async function planCopy(path: string, to: string, force: boolean): Promise<WholeModel & CopyPaths> {
  const model = await wholeModel(path);
  await checkOutput(to, { force });
  const { files, main } = model;
  if (files && extname(to) !== '' && extname(to) === extname(main))
    throw new UsageError(`Cannot write "${to}": the model lies in ${files.length} files; name a folder`);
  return { ...model, to, force };
}
