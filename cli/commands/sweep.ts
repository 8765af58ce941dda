import { budgetBytes } from '../../src/payload/encode.js';
import { importTraining } from '../../src/recipe/import-training.js';
import { loadRecipe } from '../../src/recipe/recipe.js';
import type { Outcome } from '../../src/recipe/sweep/train-many.js';
import { checkSeed } from '../../src/train/random.js';
import { type CommonFlags, defineCommand, type Flags, type FlagsOf } from '../command.js';
import { SCHEDULERS } from '../emit-workflow.js';
import { EXIT, stackOf, summarise, UsageError } from '../exit-codes.js';
import { emitJobs } from '../farm-sweep.js';
import { outputFlags, TRAINING_FLAGS } from '../flags.js';
import { countOf, formatBytes, formatShare, Interrupted, type Io, printResult, remark } from '../io.js';
import { SweepProgress } from '../job-progress.js';
import { SweepFolder } from '../sweep-folder.js';
import {
  type Cell,
  factsOf,
  formatRows,
  GRID_FLAGS,
  listCells,
  type PricedCell,
  rowOf,
  settingsOf,
} from '../sweep-grid.js';
import { keepMonotone } from '../sweep-monotone.js';
import { checkTrainer, openTrainer, TRAINER_FLAGS } from '../trainer.js';
import { baseOf, planTraining, readBase } from '../training.js';

const FLAGS = {
  ...TRAINING_FLAGS,
  ...GRID_FLAGS,
  workers: {
    type: 'number',
    placeholder: 'n',
    description: 'Diffs to train at once; default: one per processor',
  },
  resume: { type: 'boolean', description: 'Keep the diffs listed in results.json, train the rest' },
  ...TRAINER_FLAGS,
  store: {
    ...TRAINER_FLAGS.store,
    description: 'With --queue or --emit: folder shared by the machines of the farm, or s3://bucket/prefix',
  },
  emit: {
    type: 'string',
    choices: ['jobs', ...SCHEDULERS],
    description:
      'Train nothing: put models and recipe into the store, and write job files; for a scheduler, also a workflow',
  },
  ...outputFlags('folder', 'Folder for payloads and results.json'),
} as const satisfies Flags;

type SweepFlags = FlagsOf<typeof FLAGS> & CommonFlags;

export const command = defineCommand({
  group: 'Make a diff',
  summary: 'Train a diff for every kind, budget and seed, several at once',
  details: [
    'Writes every payload as soon as it is trained. A failed job does not stop the others. After Ctrl-C, ' +
      '--resume trains the rest. At the end, a payload that does worse on the validation set than one with ' +
      'a smaller budget, of the same kind and seed, is replaced by the smaller one.',
    'With --queue, the jobs run on the workers of a farm (neural-diff farm worker), and the payloads have ' +
      'the same bytes. After Ctrl-C, jobs stay queued; the same command fetches what was trained meanwhile.',
    'With --emit, nothing is trained: each job becomes a file for neural-diff job run. github-matrix, ' +
      'skypilot and argo also write a workflow, for GitHub Actions, SkyPilot or Argo Workflows.',
  ],
  args: {},
  flags: FLAGS,
  examples: [
    {
      description: 'Train twelve diffs',
      run:
        'sweep --base models/v1 --recipe recipe.mjs --kinds hash,sparse --budgets 0.25%,0.5%,1% ' +
        '--seeds 1,2 -o v2',
    },
    {
      description: 'Train them on a farm',
      run:
        'sweep --base models/v1 --recipe recipe.mjs --kinds hash,sparse --budgets 0.25%,0.5%,1% ' +
        '--seeds 1,2 --queue redis://farm.example:6379 --store /mnt/farm -o v2',
    },
    {
      description: 'Write the jobs for Argo Workflows',
      run:
        'sweep --base models/v1 --recipe recipe.mjs --kinds hash,sparse --budgets 0.25%,0.5%,1% ' +
        '--seeds 1,2 --emit argo --store s3://farm/updates -o v2-jobs',
    },
  ],
  exits: {
    internal: 'Jobs failed with different statuses; if they all failed with the same one, that status',
  },
  async handle(flags, io) {
    checkFlags(flags);
    const base = await readBase(baseOf(flags), io);
    const cells = listCells(flags, base.seed);
    const about = { format: 'neural-diff sweep', settings: settingsOf(flags, base.fingerprint) } as const;
    const folder = new SweepFolder(flags.out, about, cells);
    await folder.open(flags);
    await loadRecipe(flags.recipe);
    await importTraining();
    for (const { job } of cells) checkSeed(job.seed);
    const priced = cells.map((cell) => ({
      ...cell,
      budgetBytes: budgetBytes(cell.job.budget, base.tensors),
    }));
    const missing = priced.filter((cell) => !folder.has(cell));
    if (flags.dryRun) {
      const { job } = cells[0] as Cell;
      const trained = await planTraining(job, base, io);
      printPlan({ cells: priced, missing, base: base.fingerprint, trained }, flags, io);
      return EXIT.done;
    }
    if (flags.emit !== undefined) return writeFiles(missing, { flags, io, emit: flags.emit });
    const statuses = await trainMissing(missing, { flags, io, folder });
    await keepMonotone(priced, folder);
    await folder.flush();
    printResult(io, flags, { json: { out: flags.out, ...folder.results }, lines: formatRows(folder.rows) });
    remark(io, flags, `wrote ${flags.out}`);
    return statuses.size > 1 ? EXIT.internal : ([...statuses][0] ?? EXIT.done);
  },
});

function checkFlags({ workers, force, resume, queue, store, emit }: SweepFlags): void {
  if (emit !== undefined && store === undefined) throw new UsageError('Expected --store with --emit');
  if (store !== undefined && (queue ?? emit) === undefined)
    throw new UsageError('Expected --queue or --emit with --store');
  checkTrainer({ queue, store: queue && store, workers });
  if (force && resume) throw new RangeError('Cannot sweep with --force and --resume: expected one of them');
}

/** @returns the exit statuses of the jobs that failed */
async function trainMissing(
  cells: readonly PricedCell[],
  { flags, io, folder }: { flags: SweepFlags; io: Io; folder: SweepFolder },
): Promise<ReadonlySet<number>> {
  const statuses = new Set<number>();
  const names = cells.map(({ file }) => file.replace(/\.ndiff$/, ''));
  const fineTunes = new Set(cells.map(({ job }) => job.seed)).size;
  const progress = new SweepProgress(io, flags, { jobs: names, fineTunes });
  const keep = async (outcome: Outcome, index: number): Promise<void> => {
    const cell = cells[index] as PricedCell;
    if (outcome.status === 'failed') statuses.add(summarise(outcome.error).status);
    const payload = outcome.status === 'trained' ? outcome.diff.payload : undefined;
    await folder.keep(cell, rowOf(cell, outcome), payload);
    progress.end(index, describe(outcome));
    if (flags.verbose && outcome.status === 'failed')
      for (const line of stackOf(outcome.error)) remark(io, flags, line);
  };
  const trainer = openTrainer(flags, io);
  try {
    const jobs = cells.map(({ job }) => job);
    await trainer.train(jobs, {
      onStep: (report, served) => progress.step(report, served),
      onOutcome: keep,
    });
    return statuses;
  } catch (error) {
    if (!io.signal.aborted || folder.rows.length === 0) throw error;
    const files = folder.rows.flatMap((row) => ('file' in row ? row.file : [])).join(', ') || 'no payload';
    throw new Interrupted(`interrupted; kept ${files} in ${flags.out}: --resume trains the rest`);
  } finally {
    progress.finish();
    await folder.flush();
    await trainer.close();
  }
}

async function writeFiles(
  cells: readonly PricedCell[],
  { flags, io, emit }: { flags: SweepFlags; io: Io; emit: NonNullable<SweepFlags['emit']> },
): Promise<number> {
  const { out, store } = flags;
  const { files, workflow, start } = await emitJobs(cells, { out, store: store as string, emit });
  printResult(io, flags, { json: { out, store, files, workflow }, lines: start });
  const also = workflow === undefined ? '' : `, and ${workflow}`;
  remark(io, flags, `wrote ${countOf(files.length, 'job')} to ${out}${also}`);
  return EXIT.done;
}

function describe(outcome: Outcome): string {
  if (outcome.status === 'failed') return `failed: ${outcome.error.message}`;
  const { payload, share } = outcome.diff;
  return `${formatBytes(payload.length)}, ${formatShare(share)} of the float32 model`;
}

function printPlan(
  plan: {
    cells: readonly PricedCell[];
    missing: readonly PricedCell[];
    base: string;
    trained: Awaited<ReturnType<typeof planTraining>>;
  },
  flags: SweepFlags,
  io: Io,
): void {
  const jobs = plan.cells.map((cell) => {
    return { ...factsOf(cell), file: cell.file, isFinished: !plan.missing.includes(cell) };
  });
  const lines = jobs.map(({ file, budgetBytes, isFinished }) => {
    return `${isFinished ? 'would keep ' : 'would train'}  ${file}  at most ${budgetBytes} bytes`;
  });
  const { base, trained } = plan;
  const json = { dryRun: true, base, out: flags.out, trained: trained.json, jobs };
  printResult(io, flags, { json, lines: [`base    ${base}`, ...trained.lines, ...lines] });
}
