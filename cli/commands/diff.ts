import { diffStores, matchStores, type StoreMatch } from '../../src/exact-diff/index.js';
import { NeuralDiffError, totalBytes, type WeightStore } from '../../src/index.js';
import {
  checkOutput,
  compressedSize,
  createFileSpool,
  type FileSpool,
  writeOutput,
} from '../../src/node/index.js';
import { ByteProgress } from '../byte-progress.js';
import { type CommonFlags, formatBytes, formatShare, type Io, printResult, remark } from '../io.js';
import { readShare } from '../share.js';
import { withModel } from '../with-model.js';

/** Flags of `neural-diff diff`. */
export interface DiffFlags extends CommonFlags {
  readonly base: string;
  readonly next: string;
  readonly out: string;
  readonly minSaving?: string;
  readonly rename: boolean;
  readonly cast: boolean;
  readonly force: boolean;
  readonly dryRun: boolean;
}

/** Packs what makes one model of another, bit for bit, and says whether that pays beside the compressed next model. */
export async function runDiff(flags: DiffFlags, io: Io): Promise<void> {
  const { out, force } = flags;
  const least = flags.minSaving === undefined ? undefined : readShare('--min-saving', flags.minSaving);
  await checkOutput(out, { force });
  const spool = createFileSpool(out);
  const progress = new ByteProgress(io, flags);
  try {
    await withModel({ path: flags.base }, (base) =>
      withModel({ path: flags.next }, (next) => diff({ base, next, spool, progress, least }, flags, io)),
    );
  } finally {
    progress.finish();
    spool.close();
  }
}

/** What a diff is made of, and the share that it must save. */
interface Job {
  readonly base: WeightStore;
  readonly next: WeightStore;
  readonly spool: FileSpool;
  readonly progress: ByteProgress;
  readonly least: number | undefined;
}

async function diff(job: Job, flags: DiffFlags, io: Io): Promise<void> {
  const { base, spool, progress, least } = job;
  const { out, force, dryRun, rename, cast } = flags;
  const { signal } = io;
  const work = { signal, onProgress: progress.report };
  const { store: next, ...taken } = await matchStores(base, job.next, { ...work, rename, cast });
  // Before the diff, whose arrays would still take memory.
  const full = await compressedSize(next, signal);
  const { pieces, payloadBytes, ...found } = await diffStores(base, next, { ...work, spool });
  const saving = 1 - payloadBytes / full.bytes;
  const facts = { payloadBytes, fullBytes: full.bytes, saving };
  if (least !== undefined && saving < least) throw tooSmall({ ...facts, least });
  if (!dryRun) await writeOutput(out, pieces, { force });
  progress.finish();
  const modelBytes = totalBytes(base.tensors);
  const json = { out, ...facts, fullBytesEstimated: full.isEstimate, modelBytes, ...found, ...taken };
  const lines = [
    ...describeTaken(taken),
    `diff       ${payloadBytes} bytes, ${formatShare(payloadBytes / modelBytes)} of the model`,
    `full model ${modelBytes} bytes, ${full.isEstimate ? 'about ' : ''}${full.bytes} compressed`,
    `changed    ${found.changedWeights} weights in ${found.changedTensors} of ${base.tensors.length} tensors`,
    `base       ${found.base}`,
    `next       ${found.next}`,
    saving > 0
      ? `ship the diff: it saves ${formatShare(saving)}`
      : 'ship the full model: the diff is no smaller',
  ];
  printResult(io, flags, { json: { ...json, ...(dryRun && { dryRun }) }, lines });
  remark(io, flags, `${dryRun ? 'would write' : 'wrote'} ${out}: ${formatBytes(payloadBytes)}`);
}

/** Which tensors were taken for which, and what became of their elements. */
export function describeTaken({
  renamed,
  castTensors,
  roundedElements,
}: Omit<StoreMatch, 'store'>): string[] {
  const lines = renamed.map(([base, next]) => `renamed    ${base} takes ${next}`);
  if (castTensors > 0) lines.push(`cast       ${castTensors} tensors, ${roundedElements} weights rounded`);
  return lines;
}

/** @returns the error for a diff that saves less than it must */
export function tooSmall(facts: {
  payloadBytes: number;
  fullBytes: number;
  saving: number;
  least: number;
}): NeuralDiffError {
  const { payloadBytes, fullBytes, saving, least } = facts;
  const message = `Ship the full model: the diff takes ${payloadBytes} bytes, the compressed model ${fullBytes}; that saves ${formatShare(saving)}, not ${formatShare(least)}`;
  return new NeuralDiffError('saving-too-small', message, { facts });
}
