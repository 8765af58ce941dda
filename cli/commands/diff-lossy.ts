import { type FitOptions, fitModels, type LossyDiff } from '../../src/exact-diff/lossy/fit-models.js';
import { copyModel } from '../../src/model/store.js';
import { compressedSize } from '../../src/node/compressed.js';
import { type DiffFlags, finishDiff, withDiffJob } from '../diff-job.js';
import { formatShare, type Io } from '../io.js';
import { readShare } from '../share.js';

/** Flags of `neural-diff diff` when it may lose something. */
export interface LossyFlags extends DiffFlags {
  /** The most that is left of each tensor's change. */
  readonly lossy?: string;
  /** The most bytes. */
  readonly budget?: string;
  readonly workers?: number;
}

/** @returns whether a command line asks for a lossy diff */
export function isLossy({ lossy, budget }: LossyFlags): boolean {
  return lossy !== undefined || budget !== undefined;
}

/** Packs what makes of one model another that is near the second, and says how near. */
export async function runLossyDiff(flags: LossyFlags, io: Io): Promise<void> {
  const goal = goalOf(flags);
  if (flags.workers !== undefined)
    throw new RangeError('Cannot diff with --workers: lossy diffs are made in one thread');
  await withDiffJob(flags, io, async (job) => {
    const { base, match, work } = job;
    const models = [await copyModel(base), await copyModel(match.store)] as const;
    const { payload, ...found } = await fitModels(...models, { ...goal, ...work });
    const full = await compressedSize(match.store, work.signal);
    const lines = {
      sizes: [`exact diff ${found.exactBytes} bytes`],
      end: () => describe(found, base.tensors.length),
    };
    const result = { content: payload, payloadBytes: found.payloadBytes, full, json: found, lines };
    await finishDiff(job, result, { flags, io });
  });
}

function goalOf({ lossy, budget }: LossyFlags): FitOptions {
  if (lossy === undefined) return { budget: budget as string };
  if (budget === undefined) return { error: readShare('--lossy', lossy) };
  throw new RangeError('Cannot diff: expected either --lossy or --budget, not both');
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
