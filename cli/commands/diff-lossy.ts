import { matchStores } from '../../src/exact-diff/index.js';
import { copyModel, totalBytes, type WeightStore } from '../../src/index.js';
import { type FitGoal, fitModels, type LossyDiff } from '../../src/lossy-diff/index.js';
import { checkOutput, compressedSize, writeOutput } from '../../src/node/index.js';
import { ByteProgress } from '../byte-progress.js';
import { formatBytes, formatShare, type Io, printResult, remark } from '../io.js';
import { readShare } from '../share.js';
import { withModel } from '../with-model.js';
import { type DiffFlags, describeTaken, tooSmall } from './diff.js';

/** Flags of `neural-diff diff` when it may lose something. */
export interface LossyFlags extends DiffFlags {
  /** The most that is left of each tensor's change. */
  readonly lossy?: string | undefined;
  /** The most bytes. */
  readonly budget?: string | undefined;
}

/** @returns whether a command line asks for a lossy diff */
export function isLossy({ lossy, budget }: LossyFlags): boolean {
  return lossy !== undefined || budget !== undefined;
}

/** Packs what makes of one model another that is near the second, and says how near. */
export async function runLossyDiff(flags: LossyFlags, io: Io): Promise<void> {
  const goal = goalOf(flags);
  const least = flags.minSaving === undefined ? undefined : readShare('--min-saving', flags.minSaving);
  await checkOutput(flags.out, { force: flags.force });
  const progress = new ByteProgress(io, flags);
  try {
    await withModel({ path: flags.base }, (base) =>
      withModel({ path: flags.next }, (next) => diff({ base, next, goal, progress, least }, flags, io)),
    );
  } finally {
    progress.finish();
  }
}

/** What a diff is made of, what it is to meet, and the share that it must save. */
interface Job {
  readonly base: WeightStore;
  readonly next: WeightStore;
  readonly goal: FitGoal;
  readonly progress: ByteProgress;
  readonly least: number | undefined;
}

function goalOf({ lossy, budget }: LossyFlags): FitGoal {
  if (lossy === undefined) return { budget: budget as string };
  if (budget === undefined) return { error: readShare('--lossy', lossy) };
  throw new RangeError('Cannot diff: expected either --lossy or --budget, not both');
}

async function diff(job: Job, flags: LossyFlags, io: Io): Promise<void> {
  const { base, goal, progress, least } = job;
  const { out, force, dryRun, rename, cast } = flags;
  const { signal } = io;
  const work = { signal, onProgress: progress.report };
  const { store: next, ...taken } = await matchStores(base, job.next, { ...work, rename, cast });
  const models = [await copyModel(base), await copyModel(next)] as const;
  const { payload, ...found } = await fitModels(...models, { ...goal, ...work });
  const full = await compressedSize(next, signal);
  const { payloadBytes } = found;
  const facts = { payloadBytes, fullBytes: full.bytes, saving: 1 - payloadBytes / full.bytes };
  if (least !== undefined && facts.saving < least) throw tooSmall({ ...facts, least });
  if (!dryRun) await writeOutput(out, payload, { force });
  progress.finish();
  const modelBytes = totalBytes(base.tensors);
  const json = { out, ...facts, fullBytesEstimated: full.isEstimate, modelBytes, ...found, ...taken };
  const lines = [
    ...describeTaken(taken),
    `diff       ${payloadBytes} bytes, ${formatShare(payloadBytes / modelBytes)} of the model`,
    `exact diff ${found.exactBytes} bytes`,
    `full model ${modelBytes} bytes, ${full.isEstimate ? 'about ' : ''}${full.bytes} compressed`,
    ...describe(found, base.tensors.length),
  ];
  printResult(io, flags, { json: { ...json, ...(dryRun && { dryRun }) }, lines });
  remark(io, flags, `${dryRun ? 'would write' : 'wrote'} ${out}: ${formatBytes(payloadBytes)}`);
}

function describe(found: Omit<LossyDiff, 'payload'>, tensors: number): string[] {
  const { perTensor, error, worstError, base, next, isExact } = found;
  const patched = perTensor.filter(({ kinds }) => kinds.length > 0);
  return [
    `changed    ${patched.length} of ${tensors} tensors; ${perTensor.length} differ`,
    `error      ${formatShare(error)} of the change, in each tensor at most ${formatShare(worstError)}`,
    `base       ${base}`,
    `result     ${next}`,
    isExact
      ? 'the result is the next model, bit for bit: nothing shorter was found'
      : 'the result is not the next model: it is near it, by that error',
  ];
}
