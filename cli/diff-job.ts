import { matchStores, type StoreMatch } from '../src/exact-diff/match/match-stores.js';
import { NeuralDiffError } from '../src/model/errors.js';
import type { WeightStore } from '../src/model/store.js';
import { totalBytes } from '../src/model/tensor.js';
import type { CompressedSize } from '../src/node/compressed.js';
import { checkOutput, writeOutput } from '../src/node/output.js';
import type { CommonFlags } from './command.js';
import type { OutputFlags } from './flags.js';
import { formatShare, type Io, printResult, remarkWritten } from './io.js';
import { withModel } from './open.js';
import { byteProgress, type ProgressLine } from './progress.js';
import { readShare } from './values.js';

/** What a diff of either kind is told of its job. */
export interface DiffFlags extends CommonFlags, OutputFlags {
  readonly base: string;
  readonly next: string;
  readonly minSaving?: string;
  readonly rename: boolean;
  readonly cast: boolean;
}

/** Two open models, and how work on them is stopped and shown. */
export interface DiffJob {
  readonly base: WeightStore;
  /** The next model with the names and types of the base, and what that took. */
  readonly match: StoreMatch;
  readonly progress: ProgressLine;
  readonly work: { readonly signal: AbortSignal; readonly onProgress: ProgressLine['report'] };
  readonly least: number | undefined;
}

/** Checks the output, opens both models and finds which tensor becomes which. */
export async function withDiffJob(
  flags: DiffFlags,
  io: Io,
  run: (job: DiffJob) => Promise<void>,
): Promise<void> {
  const { out, force, minSaving, rename, cast } = flags;
  const least = minSaving === undefined ? undefined : readShare('--min-saving', minSaving);
  await checkOutput(out, { force });
  const progress = byteProgress(io, flags);
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

/** A payload, and what is printed of it in addition to what all diffs print. */
export interface DiffResult {
  readonly content: Uint8Array | AsyncIterable<Uint8Array>;
  readonly payloadBytes: number;
  /** The compressed next model. */
  readonly full: CompressedSize;
  readonly json: object;
  /** Lines below that of the diff, and those at the end, which depend on what the diff saves. */
  readonly lines: { readonly sizes: readonly string[]; end(saving: number): readonly string[] };
}

/**
 * Writes a payload unless it saves too little, and describes it.
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
  remarkWritten(io, flags, { out, bytes: payloadBytes });
}

/** @returns which tensors were matched by content, and what casting did to their elements */
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
  const sizes = `the diff takes ${payloadBytes} bytes, the compressed model ${fullBytes}`;
  const shares = `that saves ${formatShare(saving)}, not ${formatShare(least)}`;
  const message = `Ship the full model: ${sizes}; ${shares}`;
  return new NeuralDiffError('saving-too-small', message, { facts });
}
