import { NeuralDiffError } from '../../src/model/errors.js';
import { checkOutput, writeOutput } from '../../src/node/output.js';
import { importTraining } from '../../src/recipe/import-training.js';
import { DIFF_KINDS } from '../../src/recipe/options.js';
import { loadRecipe } from '../../src/recipe/recipe.js';
import { type PreparedSearch, prepareSearch, type Search } from '../../src/recipe/search/prepare.js';
import { searchInStore } from '../../src/recipe/search/search-diff.js';
import { checkSeed } from '../../src/train/random.js';
import { EXIT, STATUS_OF } from '../exit-codes.js';
import { Interrupted, type Io, printResult, remark } from '../io.js';
import { SweepFolder } from '../sweep/results.js';
import { settingsOf } from '../sweep/rows.js';
import { describeTrained } from '../trained.js';
import { baseOf, optionsOf, readBase } from '../training.js';
import { checkWorkers } from '../workers.js';
import { goalOf, type SearchFlags } from './flags.js';
import { SearchProgress } from './progress.js';
import { formatTries, type Judged, listTries } from './tries.js';
import { keepTriesIn } from './try-folder.js';

/** A search that is ready to run. */
interface Ready {
  readonly search: Search & { readonly job: { readonly seed: number } };
  readonly prepared: PreparedSearch;
  readonly folder: SweepFolder;
  readonly work: string;
  /** Fingerprint. */
  readonly base: string;
}

/**
 * Searches the best diff within a budget, or the smallest within a gap, and writes its payload. Tries are kept in a
 * folder until then.
 *
 * @returns the exit status
 */
export async function runSearch(flags: SearchFlags, io: Io): Promise<number> {
  const ready = await prepare(flags, io);
  if (flags.dryRun) {
    printPlan(ready, flags, io);
    return EXIT.done;
  }
  const progress = new SearchProgress({ io, most: mostTries(ready.prepared) }, flags);
  try {
    await findAndWrite(ready, progress, { flags, io });
    return EXIT.done;
  } catch (error) {
    progress.finish();
    const { work, prepared } = ready;
    const { tries, metric } = progress;
    if (io.signal.aborted && tries.some(({ diff }) => diff))
      throw new Interrupted(`interrupted; kept ${tries.length} tries in ${work}: --resume trains the rest`);
    if (!(error instanceof NeuralDiffError) || error.code !== 'gap-unreachable') throw error;
    printMissed(error, { goal: prepared.goal, metric, tries }, { flags, io });
    remark(io, flags, `tries are kept in ${work}: --resume goes on from there`);
    return STATUS_OF[error.code];
  }
}

async function prepare(flags: SearchFlags, io: Io): Promise<Ready> {
  const { workers, recipe, backend, metric, work = `${flags.out}.search` } = flags;
  checkWorkers(workers);
  const goal = goalOf(flags);
  await checkOutput(flags.out, { force: flags.force });
  const model = baseOf(flags);
  const { fingerprint, seed: ownSeed } = await readBase(model, io);
  const { seed = ownSeed } = flags;
  const about = { format: 'neural-diff search', settings: settingsOf(flags, fingerprint) } as const;
  const folder = new SweepFolder(work, about, []);
  await folder.open({ force: flags.force && !flags.resume, resume: flags.resume });
  await loadRecipe(recipe);
  await importTraining();
  checkSeed(seed);
  const job = { ...model, recipe, seed, backend, options: optionsOf(flags) };
  const kinds = flags.kind === 'auto' ? DIFF_KINDS : [flags.kind];
  const search = { job, kinds, goal, metric };
  return { search, prepared: await prepareSearch(search), folder, work, base: fingerprint };
}

async function findAndWrite(
  { search, prepared, folder, work }: Ready,
  progress: SearchProgress,
  { flags, io }: { flags: SearchFlags; io: Io },
): Promise<void> {
  const { metric, tries, winner, payload } = await searchInStore(search, keepTriesIn(folder, search.job), {
    ...{ workers: flags.workers, signal: io.signal },
    onRound: (round) => progress.plan(round),
    onStep: (report, served) => progress.step(report, served),
    onTry: (ended, by) => progress.end(ended, by),
  });
  progress.finish();
  await writeOutput(flags.out, payload, { force: flags.force });
  if (!flags.keepWork) await folder.remove();
  const { kind, budgetBytes, diff } = winner;
  const { payloadBytes, share, base, next, metrics } = diff;
  const judged = { goal: prepared.goal, metric, tries, winner };
  const json = {
    ...{ kind, out: flags.out, budgetBytes, payloadBytes, share, base, next, metrics },
    ...{ metric: metric.name, goal: prepared.goal, tries: listTries(judged) },
  };
  printResult(io, flags, { json, lines: [...formatTries(judged), '', ...describeTrained(diff)] });
  remark(io, flags, `wrote ${flags.out}${flags.keepWork ? `, kept the tries in ${work}` : ''}`);
}

function mostTries({ goal, kinds }: PreparedSearch): number {
  return goal.type === 'best' ? kinds.length : goal.tries;
}

/** Says that no try will do, with what was tried. */
function printMissed(
  error: NeuralDiffError,
  judged: Judged,
  { flags, io }: { flags: SearchFlags; io: Io },
): void {
  const { code, message, facts } = error;
  const json = { error: { code, message: `${message} (${code})`, ...facts }, tries: listTries(judged) };
  printResult(io, flags, { json, lines: formatTries(judged) });
  io.err(`neural-diff: ${message} (${code})\n`);
}

function printPlan({ prepared, base, work }: Ready, flags: SearchFlags, io: Io): void {
  const { goal, kinds, first } = prepared;
  const json = { dryRun: true, base, kinds, goal, first, out: flags.out, work };
  const limits =
    goal.type === 'best'
      ? `budget  ${goal.budgetBytes} bytes`
      : `search  a gap of at most ${goal.maxGap} with ${goal.leastBytes} to ${goal.mostBytes} bytes, to within a factor of ${goal.precision}`;
  const lines = [
    `base    ${base}`,
    limits,
    `costs   a full fine-tune and at most ${mostTries(prepared)} diffs`,
    ...first.map(({ kind, budgetBytes }) => `would first try  ${kind}  at most ${budgetBytes} bytes`),
    `would write ${flags.out}, and tries to ${work} until then`,
  ];
  printResult(io, flags, { json, lines });
}
