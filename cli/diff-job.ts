import { matchStores, type StoreMatch } from '../src/exact-diff/match/match-stores.js';
import { NeuralDiffError } from '../src/model/errors.js';
import type { WeightStore } from '../src/model/store.js';
import { totalBytes } from '../src/model/tensor.js';
import type { CompressedSize } from '../src/node/compressed.js';
import { checkOutput, writeOutput } from '../src/node/output.js';
import { ByteProgress } from './byte-progress.js';
import { type CommonFlags, formatBytes, formatShare, type Io, printResult, remark } from './io.js';
import { readShare } from './share.js';
import { withModel } from './with-model.js';

/** Flags of `neural-diff diff`, whatever it may lose. */
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

/** Two models that are open, and how long work on them is followed. */
export interface DiffJob {
  readonly base: WeightStore;
  /** The next model in the base's terms, and what it took. */
  readonly match: StoreMatch;
  readonly progress: ByteProgress;
  readonly work: { readonly signal: AbortSignal; readonly onProgress: ByteProgress['report'] };
  readonly least: number | undefined;
}

/** Opens both models and finds which tensor becomes which; nothing is read for an output that may not be made. */
export async function withDiffJob(
  flags: DiffFlags,
  io: Io,
  run: (job: DiffJob) => Promise<void>,
): Promise<void> {
  const { out, force, minSaving, rename, cast } = flags;
  const least = minSaving === undefined ? undefined : readShare('--min-saving', minSaving);
  await checkOutput(out, { force });
  const progress = new ByteProgress(io, flags);
  const work = { signal: io.signal, onProgress: progress.report };
  try {
    await withModel({ path: flags.base }, (base) =>
      withModel({ path: flags.next }, async (next) => {
        const match = await matchStores(base, next, { ...work, rename, cast });
        await run({ base, match, progress, work, least });
      }),
    );
  } finally {
    progress.finish();
  }
}

/** A payload, and what is to be said of it beside what all diffs have. */
export interface DiffResult {
  readonly content: Uint8Array | AsyncIterable<Uint8Array>;
  readonly payloadBytes: number;
  /** The compressed next model. */
  readonly full: CompressedSize;
  readonly json: object;
  /** Lines behind that of the diff, and those at the end; which depends on what the diff saves. */
  readonly lines: { readonly sizes: readonly string[]; end(saving: number): readonly string[] };
}

/**
 * Writes a payload unless it saves too little, and prints what it is.
 *
 * @throws NeuralDiffError `saving-too-small`
 */
export async function finishDiff(
  { base, match, progress, least }: DiffJob,
  { content, payloadBytes, full, ...result }: DiffResult,
  { flags, io }: { flags: DiffFlags; io: Io },
): Promise<void> {
  const { out, force, dryRun } = flags;
  const { store: _next, ...taken } = match;
  const saving = 1 - payloadBytes / full.bytes;
  const facts = { payloadBytes, fullBytes: full.bytes, saving };
  if (least !== undefined && saving < least) throw tooSmall({ ...facts, least });
  if (!dryRun) await writeOutput(out, content, { force });
  progress.finish();
  const modelBytes = totalBytes(base.tensors);
  const json = { out, ...facts, fullBytesEstimated: full.isEstimate, modelBytes, ...result.json, ...taken };
  const lines = [
    ...describeTaken(taken),
    `diff       ${payloadBytes} bytes, ${formatShare(payloadBytes / modelBytes)} of the model`,
    ...result.lines.sizes,
    `full model ${modelBytes} bytes, ${full.isEstimate ? 'about ' : ''}${full.bytes} compressed`,
    ...result.lines.end(saving),
  ];
  printResult(io, flags, { json: { ...json, ...(dryRun && { dryRun }) }, lines });
  remark(io, flags, `${dryRun ? 'would write' : 'wrote'} ${out}: ${formatBytes(payloadBytes)}`);
}

/** Which tensors were taken for which, and what became of their elements. */
function describeTaken({ renamed, castTensors, roundedElements }: Omit<StoreMatch, 'store'>): string[] {
  const lines = renamed.map(([base, next]) => `renamed    ${base} takes ${next}`);
  if (castTensors > 0) lines.push(`cast       ${castTensors} tensors, ${roundedElements} weights rounded`);
  return lines;
}

function tooSmall(facts: {
  payloadBytes: number;
  fullBytes: number;
  saving: number;
  least: number;
}): NeuralDiffError {
  const { payloadBytes, fullBytes, saving, least } = facts;
  const message = `Ship the full model: the diff takes ${payloadBytes} bytes, the compressed model ${fullBytes}; that saves ${formatShare(saving)}, not ${formatShare(least)}`;
  return new NeuralDiffError('saving-too-small', message, { facts });
}
