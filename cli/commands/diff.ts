import { compareOutside, type OutsideComparison } from '../../src/containers/outside.js';
import { diffStores } from '../../src/exact-diff/diff-stores.js';
import { type FitOptions, fitModels, type LossyDiff } from '../../src/exact-diff/lossy/fit-models.js';
import { matchStores, type StoreMatch } from '../../src/exact-diff/match/match-stores.js';
import { createDiffThreads } from '../../src/exact-diff/threads/diff-threads.js';
import { copyModel, type WeightStore } from '../../src/model/store.js';
import { totalBytes } from '../../src/model/tensor.js';
import { type CompressedSize, compressedFiles, compressedSize } from '../../src/node/compressed.js';
import { createFileSpool } from '../../src/node/file-spool.js';
import { nodeSha256 } from '../../src/node/node-sha256.js';
import { checkOutput, writeOutput } from '../../src/node/output.js';
import { type CommonFlags, defineCommand, type Flags, type FlagsOf } from '../command.js';
import { MODEL, outputFlags, PROGRESS } from '../flags.js';
import { countOf, formatShare, type Io, printResult, remark, remarkWritten } from '../io.js';
import { withModel } from '../open.js';
import { byteProgress, type ProgressLine } from '../progress.js';
import { checkWorkers, readShare, tooSmall } from '../values.js';
import { diffWholeFiles, needsFiles } from '../whole-files.js';

const ARGS = {
  base: MODEL,
  next: {
    type: 'string',
    isRequired: true,
    description: 'Model with tensors of the same shapes; their names may differ',
  },
} as const satisfies Flags;

const FLAGS = {
  ...outputFlags('file', 'Payload file to write; - for stdout'),
  progress: PROGRESS,
  rename: {
    type: 'boolean',
    default: true,
    description: 'Refuse tensors with different names; default: match them by content',
  },
  cast: {
    type: 'boolean',
    description: 'Cast float32 to float16 or bfloat16, or back, where the base has another type',
  },
  files: {
    type: 'boolean',
    description:
      'Diff whole files, including graph and metadata; default: only where tensors differ in number or shape',
  },
  minSaving: {
    type: 'string',
    placeholder: 'share',
    description:
      'Write nothing and exit with 10 unless the diff saves at least this share of the compressed model: 10%',
  },
  lossy: {
    type: 'string',
    placeholder: 'share',
    description: "Lose at most this share of each tensor's change, to save bytes: 5%",
  },
  budget: {
    type: 'string',
    placeholder: 'size',
    description: 'Instead of --lossy: smallest error within this payload size: 5%, 20kB, 20000',
  },
  workers: {
    type: 'number',
    placeholder: 'n',
    description: 'Threads for large models, 1 to 16; default: one per processor, at most 8',
  },
} as const satisfies Flags;

type DiffFlags = FlagsOf<typeof ARGS> & FlagsOf<typeof FLAGS> & CommonFlags;

export const command = defineCommand({
  group: 'Make a diff',
  summary: 'Diff two models, losslessly or lossily',
  details: [
    'Writes a payload that turns the first model into the second, no matter how they were trained or ' +
      'which containers they use. The result equals the second model, bit for bit; with --lossy or ' +
      '--budget it only approximates it, and the payload is smaller.',
  ],
  args: ARGS,
  flags: FLAGS,
  examples: [
    {
      description: 'Diff two checkpoints',
      run: 'diff models/v1.safetensors models/v2.safetensors -o v2.ndiff',
    },
    { description: 'Diff models in different containers', run: 'diff models/v1 models/v2.h5 -o v2.ndiff' },
    {
      description: 'Diff the float16 model on devices against its float32 successor',
      run: 'diff models/v1-float16.safetensors models/v2.safetensors --cast -o v2.ndiff',
    },
    {
      description: "Lose at most 5 % of each tensor's change",
      run: 'diff models/v1.safetensors models/v2.safetensors --lossy 5% -o v2.ndiff',
    },
  ],
  exits: { gate: 'The diff saves less than --min-saving; nothing was written' },
  async handle(flags, io) {
    const isLossy = flags.lossy !== undefined || flags.budget !== undefined;
    if (isLossy && flags.files)
      throw new RangeError('Cannot diff with --files: lossy diffs change weights only');
    if (isLossy) return diffLossily(flags, io);
    if (flags.files) return diffWholeFiles(flags, io);
    try {
      await diffExactly(flags, io);
    } catch (error) {
      if (!needsFiles(error, flags)) throw error;
      const { message } = error as Error;
      const reason = message.replace('Cannot diff models: ', '').replace('; ship the full model', '');
      remark(io, flags, `the payload makes whole files: ${reason}`);
      await diffWholeFiles(flags, io);
    }
  },
});

async function diffExactly(flags: DiffFlags, io: Io): Promise<void> {
  checkWorkers(flags.workers);
  // Threads start when there is work for them.
  const coder = flags.workers === 1 ? undefined : createDiffThreads({ count: flags.workers });
  await withDiffJob(flags, io, async (job) => {
    const { base, match, work } = job;
    const measured = measureFull(job, flags.next);
    // A large model before the diff, whose arrays would still take memory; a small one meanwhile.
    if (totalBytes(base.tensors) > MEANWHILE_BYTES) await measured.size;
    const spool = createFileSpool(flags.out);
    try {
      const options = { ...work, spool, coder, sha256: nodeSha256 };
      const { pieces, payloadBytes, ...found } = await diffStores(base, match.store, options);
      const { changedWeights, changedTensors } = found;
      const end = (saving: number): string[] => [
        `changed    ${countOf(changedWeights, 'weight')} in ${changedTensors} of ${base.tensors.length} tensors`,
        `base       ${found.base}`,
        `next       ${found.next}`,
        saving > 0
          ? `ship the diff: it saves ${formatShare(saving)}`
          : 'ship the full model: the diff is no smaller',
      ];
      const isSame = changedTensors === 0;
      const full = await measured.size;
      const result = { content: pieces, payloadBytes, isSame, full, json: found, lines: { sizes: [], end } };
      await finishDiff(job, result, { flags, io });
    } finally {
      await measured.stop();
      // Threads still write into the spool until they are closed.
      await coder?.close();
      spool.close();
    }
  });
}

async function diffLossily(flags: DiffFlags, io: Io): Promise<void> {
  const goal = goalOf(flags);
  if (flags.workers !== undefined)
    throw new RangeError('Cannot diff with --workers: lossy diffs are made in one thread');
  await withDiffJob(flags, io, async (job) => {
    const { base, match, work } = job;
    const models = [await copyModel(base), await copyModel(match.store)] as const;
    const { payload, ...found } = await fitModels(...models, { ...goal, ...work });
    const full = await fullSize(job, flags.next, work.signal);
    const lines = {
      sizes: [`exact diff ${found.exactBytes} bytes`],
      end: () => describe(found, base.tensors.length),
    };
    const isSame = found.perTensor.length === 0;
    const { payloadBytes } = found;
    const result = { content: payload, payloadBytes, isSame, full, json: found, lines };
    await finishDiff(job, result, { flags, io });
  });
}

/** Bytes up to which a model is compressed for comparison while it is diffed. */
const MEANWHILE_BYTES = 2 ** 25;

/** Starts to measure the full model; `stop` ends that, if it still goes on. */
function measureFull(
  job: DiffJob,
  path: string,
): { size: Promise<CompressedSize>; stop: () => Promise<void> } {
  const end = new AbortController();
  const size = fullSize(job, path, AbortSignal.any([job.work.signal, end.signal]));
  // Where the diff fails first, its error counts.
  const settled = size.then(
    () => undefined,
    () => undefined,
  );
  return {
    size,
    stop() {
      end.abort();
      return settled;
    },
  };
}

/** @returns the size of the full model to ship: its files, or what casting makes of their tensors */
function fullSize({ next, match }: DiffJob, path: string, signal: AbortSignal): Promise<CompressedSize> {
  return match.castTensors > 0 ? compressedSize(match.store, signal) : compressedFiles(path, next, signal);
}

function goalOf({ lossy, budget }: DiffFlags): FitOptions {
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

/** Two open models, and how work on them is stopped and shown. */
interface DiffJob {
  readonly base: WeightStore;
  /** The next model as it is. */
  readonly next: WeightStore;
  /** The next model with the names and types of the base, and what that took. */
  readonly match: StoreMatch;
  readonly progress: ProgressLine;
  readonly work: { readonly signal: AbortSignal; readonly onProgress: ProgressLine['report'] };
  readonly least: number | undefined;
  /** How the files compare outside of their tensors. */
  readonly outside: OutsideComparison;
}

/** Checks the output, opens both models and finds which tensor becomes which. */
async function withDiffJob(flags: DiffFlags, io: Io, run: (job: DiffJob) => Promise<void>): Promise<void> {
  const { out, force, minSaving, rename, cast } = flags;
  const least = minSaving === undefined ? undefined : readShare('--min-saving', minSaving);
  await checkOutput(out, { force });
  const progress = byteProgress(io, flags);
  const work = { signal: io.signal, onProgress: progress.report };
  try {
    await withModel({ path: flags.base }, (base) =>
      withModel({ path: flags.next }, async (next) => {
        const match = await matchStores(base, next, { ...work, rename, cast });
        const outside = await compareOutside(base, next);
        await run({ base, next, match, progress, work, least, outside });
      }),
    );
  } finally {
    progress.finish();
  }
}

/** A payload, and what is printed of it in addition to what all diffs print. */
interface DiffResult {
  readonly content: Uint8Array | AsyncIterable<Uint8Array>;
  readonly payloadBytes: number;
  /** Whether all tensors are equal. */
  readonly isSame: boolean;
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
async function finishDiff(
  { base, match, progress, least, outside }: DiffJob,
  { content, payloadBytes, full, isSame, ...result }: DiffResult,
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
  const sizes = { out, ...facts, fullBytesEstimated: full.isEstimate, fullBytesBy: full.by, modelBytes };
  const json = { ...sizes, ...result.json, ...taken, outside };
  const end = result.lines.end(saving);
  const lines = [
    ...describeTaken(taken),
    `diff       ${payloadBytes} bytes, ${formatShare(payloadBytes / Math.max(1, modelBytes))} of the model`,
    ...result.lines.sizes,
    `full model ${modelBytes} bytes, ${full.isEstimate ? 'about ' : ''}${full.bytes} under ${full.by}`,
    ...(isSame ? [...end.slice(0, -1), describeSame(outside)] : end),
  ];
  printResult(io, flags, { json: { ...json, ...(dryRun && { dryRun }) }, lines });
  if (outside === 'different') remark(io, flags, OUTSIDE_DIFFERS);
  remarkWritten(io, flags, { out, bytes: payloadBytes });
}

const OUTSIDE_DIFFERS =
  'warning: the files differ outside of their tensors (graph or metadata); the payload does not carry that, ' +
  "so devices get the next model's weights in the base's file; ship the full model if the graph changed";

/** @returns what is the same of two models with equal tensors */
function describeSame(outside: OutsideComparison): string {
  const texts = {
    equal: 'no change: tensors, graph and metadata are equal',
    different: 'no change of tensors: they are equal; the files differ outside of them (graph or metadata)',
    unknown: 'no change of tensors: they are equal; the rest of files in different formats is not compared',
  };
  return texts[outside];
}

/** @returns which tensors were matched by content, and what casting did to their elements */
function describeTaken({ renamed, castTensors, roundedElements }: Omit<StoreMatch, 'store'>): string[] {
  const lines = renamed.map(([base, next]) => `renamed    ${base} takes ${next}`);
  if (castTensors > 0)
    lines.push(`cast       ${countOf(castTensors, 'tensor')}, ${countOf(roundedElements, 'weight')} rounded`);
  return lines;
}
