import { budgetBytes } from '../../src/payload/encode.js';
import { importTraining } from '../../src/recipe/import-training.js';
import { loadRecipe } from '../../src/recipe/recipe.js';
import { type Outcome, trainMany } from '../../src/recipe/sweep/train-many.js';
import { checkSeed } from '../../src/train/random.js';
import { EXIT, summarise } from '../exit-codes.js';
import {
  type CommonFlags,
  formatBytes,
  formatShare,
  Interrupted,
  type Io,
  printResult,
  remark,
} from '../io.js';
import { type GridFlags, listCells } from '../sweep/grid.js';
import { SweepProgress } from '../sweep/progress.js';
import { SweepFolder } from '../sweep/results.js';
import { factsOf, type PricedCell, rowOf, settingsOf } from '../sweep/rows.js';
import { formatRows } from '../sweep/table.js';
import { baseOf, readBase } from '../training.js';
import { checkWorkers } from '../workers.js';

/** Flags of `neural-diff sweep`. */
export interface SweepFlags extends CommonFlags, GridFlags {
  readonly out: string;
  readonly force: boolean;
  readonly resume: boolean;
  readonly dryRun: boolean;
  readonly workers?: number;
}

/**
 * Trains a diff for every combination of kinds, budgets and seeds, several at once, and writes each payload as soon as
 * it is there.
 *
 * @returns the exit status: that of the failed jobs where they agree
 */
export async function runSweep(flags: SweepFlags, io: Io): Promise<number> {
  checkFlags(flags);
  const base = await readBase(baseOf(flags), io);
  const cells = listCells(flags, base.seed);
  const about = { format: 'neural-diff sweep', settings: settingsOf(flags, base.fingerprint) } as const;
  const folder = new SweepFolder(flags.out, about, cells);
  await folder.open(flags);
  await loadRecipe(flags.recipe);
  await importTraining();
  for (const { job } of cells) checkSeed(job.seed);
  const priced = cells.map((cell) => ({ ...cell, budgetBytes: budgetBytes(cell.job.budget, base.tensors) }));
  const missing = priced.filter((cell) => !folder.has(cell));
  if (flags.dryRun) {
    printPlan({ cells: priced, missing, base: base.fingerprint }, flags, io);
    return EXIT.done;
  }
  const statuses = await trainMissing(missing, { flags, io, folder });
  printResult(io, flags, { json: { out: flags.out, ...folder.results }, lines: formatRows(folder.rows) });
  remark(io, flags, `wrote ${flags.out}`);
  return statuses.size > 1 ? EXIT.internal : ([...statuses][0] ?? EXIT.done);
}

function checkFlags({ workers, force, resume }: SweepFlags): void {
  checkWorkers(workers);
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
  const keep = async (outcome: Outcome, place: number): Promise<void> => {
    const cell = cells[place] as PricedCell;
    if (outcome.status === 'failed') statuses.add(summarise(outcome.error).status);
    const payload = outcome.status === 'trained' ? outcome.diff.payload : undefined;
    await folder.keep(cell, rowOf(cell, outcome), payload);
    progress.end(place, describe(outcome));
  };
  try {
    await trainMany(
      cells.map(({ job }) => job),
      {
        workers: flags.workers,
        signal: io.signal,
        onStep: (report, places) => progress.step(report, places),
        onOutcome: keep,
      },
    );
    return statuses;
  } catch (error) {
    if (!io.signal.aborted || folder.rows.length === 0) throw error;
    const files = folder.rows.flatMap((row) => ('file' in row ? row.file : [])).join(', ') || 'no payload';
    throw new Interrupted(`interrupted; kept ${files} in ${flags.out}: --resume trains the rest`);
  } finally {
    progress.finish();
  }
}

function describe(outcome: Outcome): string {
  if (outcome.status === 'failed') return `failed: ${outcome.error.message}`;
  const { payload, share } = outcome.diff;
  return `${formatBytes(payload.length)}, ${formatShare(share)} of the float32 model`;
}

function printPlan(
  plan: { cells: readonly PricedCell[]; missing: readonly PricedCell[]; base: string },
  flags: SweepFlags,
  io: Io,
): void {
  const jobs = plan.cells.map((cell) => {
    return { ...factsOf(cell), file: cell.file, isFinished: !plan.missing.includes(cell) };
  });
  const lines = jobs.map(({ file, budgetBytes, isFinished }) => {
    return `${isFinished ? 'would keep ' : 'would train'}  ${file}  at most ${budgetBytes} bytes`;
  });
  const json = { dryRun: true, base: plan.base, out: flags.out, jobs };
  printResult(io, flags, { json, lines: [`base  ${plan.base}`, ...lines] });
}
