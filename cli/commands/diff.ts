import { diffStores } from '../../src/exact-diff/diff-stores.js';
import { type FitGoal, fitModels, type LossyDiff } from '../../src/exact-diff/lossy/fit-models.js';
import { createDiffThreads } from '../../src/exact-diff/threads/diff-threads.js';
import { copyModel } from '../../src/model/store.js';
import { compressedSize } from '../../src/node/compressed.js';
import { createFileSpool } from '../../src/node/file-spool.js';
import { defineCommand } from '../command.js';
import { type DiffFlags, finishDiff, withDiffJob } from '../diff-job.js';
import { MODEL, outputFlags } from '../flags.js';
import { formatShare, type Io } from '../io.js';
import { checkWorkers, readShare } from '../values.js';

export const command = defineCommand({
  group: 'Make a diff',
  summary: 'Diff two models, losslessly or lossily',
  details: [
    'Writes a payload that turns the first model into the second, however they were trained and in ' +
      'whatever containers they are. The result is the second model bit for bit; with --lossy or ' +
      '--budget it is near it, and the payload smaller.',
  ],
  args: {
    base: MODEL,
    next: {
      type: 'text',
      isRequired: true,
      about: 'Model with tensors of the same shapes; their names may differ',
    },
  },
  flags: {
    ...outputFlags('file', 'Payload file to write'),
    rename: {
      type: 'boolean',
      default: true,
      about: 'Refuse tensors of other names; default: match them by content',
    },
    cast: {
      type: 'boolean',
      about: 'Cast float32 to float16 or bfloat16, and back, where the base has another type',
    },
    minSaving: {
      type: 'text',
      value: 'share',
      about: 'Write nothing and exit with 10 unless the diff saves this share of the compressed model: 10%',
    },
    lossy: {
      type: 'text',
      value: 'share',
      about: 'Leave at most this share of the change of each tensor out, to save bytes: 5%',
    },
    budget: {
      type: 'text',
      value: 'size',
      about: 'Instead of --lossy: the least error in at most so many bytes: 5%, 20kB, 20000',
    },
    workers: {
      type: 'number',
      value: 'n',
      about: 'Threads for large models, 1 to 16; default: one per processor, at most 8',
    },
  },
  examples: [
    { about: 'Diff two checkpoints', run: 'diff models/v1.safetensors models/v2.safetensors -o v2.ndiff' },
    { about: 'Diff models in different containers', run: 'diff models/v1 models/v2.h5 -o v2.ndiff' },
    {
      about: 'Diff a float16 model on devices and its float32 successor',
      run: 'diff models/v1-float16.safetensors models/v2.safetensors --cast -o v2.ndiff',
    },
    {
      about: 'Leave out at most 5 % of the change of each tensor',
      run: 'diff models/v1.safetensors models/v2.safetensors --lossy 5% -o v2.ndiff',
    },
  ],
  exits: { gate: 'The diff saves less than --min-saving; nothing was written' },
  async handle(flags, io) {
    const isLossy = flags.lossy !== undefined || flags.budget !== undefined;
    await (isLossy ? diffLossily(flags, io) : diffExactly(flags, io));
  },
});

/** What both kinds of diff are told. */
interface Job extends DiffFlags {
  /** Most of each tensor's change that is left out. */
  readonly lossy?: string;
  /** Most bytes. */
  readonly budget?: string;
  readonly workers?: number;
}

async function diffExactly(flags: Job, io: Io): Promise<void> {
  checkWorkers(flags.workers);
  // Threads start when there is work for them.
  const coder = flags.workers === 1 ? undefined : createDiffThreads({ count: flags.workers });
  await withDiffJob(flags, io, async (job) => {
    const { base, match, work } = job;
    // Before the diff, whose arrays would still take memory.
    const full = await compressedSize(match.store, work.signal);
    const spool = createFileSpool(flags.out);
    try {
      const options = { ...work, spool, coder };
      const { pieces, payloadBytes, ...found } = await diffStores(base, match.store, options);
      const { changedWeights, changedTensors } = found;
      const end = (saving: number): string[] => [
        `changed    ${changedWeights} weights in ${changedTensors} of ${base.tensors.length} tensors`,
        `base       ${found.base}`,
        `next       ${found.next}`,
        saving > 0
          ? `ship the diff: it saves ${formatShare(saving)}`
          : 'ship the full model: the diff is no smaller',
      ];
      const result = { content: pieces, payloadBytes, full, json: found, lines: { sizes: [], end } };
      await finishDiff(job, result, { flags, io });
    } finally {
      // Threads still write into the spool until they are closed.
      await coder?.close();
      spool.close();
    }
  });
}

async function diffLossily(flags: Job, io: Io): Promise<void> {
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

function goalOf({ lossy, budget }: Job): FitGoal {
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
