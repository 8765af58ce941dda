import { join } from 'node:path';
import { type ApplyResult, applyPayload } from '../../src/apply/apply-payload.js';
import { createPatcher } from '../../src/apply/fast/create-patcher.js';
import { type ApplyOptions, planApply } from '../../src/apply/plan.js';
import { mostJournalBytes } from '../../src/model/planned-writes.js';
import { nodeSha256 } from '../../src/node/node-sha256.js';
import { openModelStorage } from '../../src/node/open-model.js';
import { writeCopy } from '../../src/node/output.js';
import type { ByteSource } from '../../src/payload/byte-source.js';
import { openPayload } from '../../src/payload/open-payload.js';
import { type CommonFlags, defineCommand, type Flags, type FlagsOf } from '../command.js';
import { UsageError } from '../exit-codes.js';
import { MODEL, optionalOutputFlags, PAYLOAD, PROGRESS } from '../flags.js';
import { describePlan, formatBytes, type Io, printResult, remark } from '../io.js';
import { applyNewFiles, planNewFiles } from '../new-files.js';
import { keepHeapSmall, planCopy, withModel, withPayload } from '../open.js';
import { byteProgress, type ProgressLine } from '../progress.js';

const ARGS = { base: MODEL, payload: PAYLOAD } as const satisfies Flags;

const FLAGS = {
  ...optionalOutputFlags('path', 'Folder or file to write'),
  inPlace: { type: 'boolean', description: 'Patch the model itself' },
  progress: PROGRESS,
} as const satisfies Flags;

type ApplyFlags = FlagsOf<typeof ARGS> & FlagsOf<typeof FLAGS> & CommonFlags;

export const command = defineCommand({
  group: 'Apply a diff',
  summary: 'Patch a model',
  details: [
    'Patches a copy with --out, or the model itself with --in-place; one of them is required. ' +
      'Checks that the model is the base of the payload before writing anything, and checks the ' +
      'result afterwards.',
    'While patching in place, keeps a journal next to the model. After a power loss, the next run ' +
      'restores the model first.',
  ],
  args: ARGS,
  flags: FLAGS,
  examples: [
    { description: 'Patch a model in place', run: 'apply models/v1.safetensors v2.ndiff --in-place' },
    {
      description: 'Write the patched model to another folder',
      run: 'apply models/v1 v2.ndiff -o models/v2',
    },
  ],
  exits: {
    wrongBase: 'The payload is for another model',
    corruptPayload: 'The payload is damaged',
  },
  async handle(flags, io) {
    if (flags.inPlace === (flags.out !== undefined))
      throw new UsageError('Expected either --out or --in-place');
    keepHeapSmall();
    const progress = byteProgress(io, flags);
    try {
      await withPayload(flags.payload, (payload) => patch({ payload, progress }, flags, io));
    } finally {
      progress.finish();
    }
  },
});

async function patch(
  { payload, progress }: { payload: ByteSource; progress: ProgressLine },
  flags: ApplyFlags,
  io: Io,
): Promise<void> {
  const { out, force } = flags;
  const options: ApplyOptions = {
    sha256: nodeSha256,
    signal: io.signal,
    patcher: createPatcher(),
    onProgress: progress.report,
  };
  const opened = await openPayload(payload);
  if (opened.files && (out !== undefined || flags.dryRun)) {
    const job = { base: flags.base, payload, opened };
    if (!flags.dryRun && out !== undefined)
      return printApplied(await applyNewFiles(job, { out, force }, options), { progress }, { flags, io });
    const plan = await planNewFiles(job, options);
    return printResult(io, flags, { json: { ...plan, dryRun: true }, lines: describePlan(plan) });
  }
  const copy = out === undefined ? undefined : await planCopy(flags.base, out, { force });
  if (copy || flags.dryRun) {
    // Nothing is copied for a payload that does not fit.
    const fit = await withModel({ path: flags.base }, (store) => planApply(store, payload, options));
    if (fit.problem) throw fit.problem;
    if (flags.dryRun) {
      const journalBytes = copy ? 0 : mostJournalBytes({ bytes: fit.bytesWritten, runs: fit.runs });
      const lines = describePlan(fit);
      if (journalBytes > 0)
        lines.push(`keeps a journal of at most ${formatBytes(journalBytes)} until it is done`);
      printResult(io, flags, { json: { ...fit, journalBytes, dryRun: true }, lines });
      return;
    }
  }
  const result = copy
    ? await writeCopy(copy, (staged) =>
        withModel({ path: join(staged, copy.main), writable: true }, (store) =>
          applyPayload(store, payload, options),
        ),
      )
    : await patchInPlace({ payload, options }, flags, io);
  printApplied(result, { progress }, { flags, io });
}

/** Prints what was done. */
function printApplied(
  { plan, ...result }: ApplyResult,
  { progress }: { progress: ProgressLine },
  { flags, io }: { flags: ApplyFlags; io: Io },
): void {
  const { out } = flags;
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
    if ((await storage.recover()) === 'undone') remark(io, flags, 'undid an update that was interrupted');
    const { header } = await openPayload(payload);
    const results: ApplyResult[] = [];
    const { base, next } = header;
    await storage.update(async (store) => void results.push(await applyPayload(store, payload, options)), {
      base,
      next,
      isTrial: false,
      signal: options.signal,
    });
    return results[0] as ApplyResult;
  } finally {
    await storage.close();
  }
}
