import { NeuralDiffError } from '../src/model/errors.js';
import { printable } from '../src/model/printable.js';
import { checkOutput, writeOutput } from '../src/node/output.js';
import { importTraining } from '../src/recipe/import-training.js';
import { DIFF_KINDS, type DiffKind } from '../src/recipe/options.js';
import { loadRecipe } from '../src/recipe/recipe.js';
import {
  type PreparedSearch,
  prepareSearch,
  type Search,
  type SmallestOptions,
} from '../src/recipe/search/prepare.js';
import { searchInStore } from '../src/recipe/search/search-diff.js';
import { checkSeed } from '../src/train/random.js';
import type { CommonFlags, Flags, FlagsOf } from './command.js';
import { EXIT, STATUS_OF } from './exit-codes.js';
import type { OutputFlags } from './flags.js';
import { Interrupted, type Io, printResult, remark } from './io.js';
import { SearchProgress } from './job-progress.js';
import { kebabCase } from './parse.js';
import { SweepFolder } from './sweep-folder.js';
import { settingsOf } from './sweep-grid.js';
import { checkTrainer, openTrainer, TRAINER_FLAGS } from './trainer.js';
import {
  baseOf,
  describeTrained,
  optionsOf,
  planTraining,
  readBase,
  remarkCoarseGap,
  type TrainingFlags,
} from './training.js';
import { formatTries, type Judged, keepTriesIn, listTries } from './tries.js';
import { readShare } from './values.js';

/** Flags of `train` that set what is searched, and how. */
export const SEARCH_FLAGS = {
  budget: {
    type: 'string',
    placeholder: 'size',
    description: 'Most bytes of the payload: 0.7%, 20kB, 20000',
  },
  maxGap: {
    type: 'string',
    placeholder: 'gap',
    description:
      'Instead of --budget: find the smallest payload within this gap to the full fine-tune: 0.3%, 0.003',
  },
  least: {
    type: 'string',
    placeholder: 'size',
    description: 'With --max-gap: smallest budget to try; default: 0.05%',
  },
  most: {
    type: 'string',
    placeholder: 'size',
    description: 'With --max-gap: largest budget to try; default: 10%',
  },
  precision: {
    type: 'number',
    placeholder: 'factor',
    description: 'With --max-gap: factor to within which the smallest budget is found; default: 1.15',
  },
  tries: {
    type: 'number',
    placeholder: 'n',
    description: 'With --max-gap: most diffs to train; default: 12',
  },
  metric: {
    type: 'string',
    placeholder: 'name',
    description:
      'With auto or --max-gap: validation metric to compare by, as wer:lower; default: accuracy, or the loss',
  },
  workers: {
    type: 'number',
    placeholder: 'n',
    description: 'With auto or --max-gap: diffs to train at once; default: one per processor',
  },
  queue: {
    ...TRAINER_FLAGS.queue,
    description: 'With auto or --max-gap: train on the workers of a farm: redis://host:6379; needs --store',
  },
  store: TRAINER_FLAGS.store,
  work: {
    type: 'string',
    placeholder: 'folder',
    description: 'With auto or --max-gap: folder for the tries until the search ends; default: OUT.search',
  },
  keepWork: {
    type: 'boolean',
    description: 'With auto or --max-gap: keep that folder when the search succeeds',
  },
  resume: {
    type: 'boolean',
    description: 'With auto or --max-gap: keep the tries in that folder and train the missing ones',
  },
} as const satisfies Flags;

/** Values of the flags of `train` that a search uses. */
export type SearchFlags = TrainingFlags &
  FlagsOf<typeof SEARCH_FLAGS> &
  OutputFlags &
  CommonFlags & { readonly kind: DiffKind | 'auto'; readonly seed?: number };

/**
 * Says whether a command line asks for a search, and checks that its flags go together.
 *
 * @throws RangeError for flags that do not
 */
export function isSearch(flags: SearchFlags): boolean {
  const { budget, maxGap } = flags;
  if ((budget === undefined) === (maxGap === undefined))
    throw new RangeError('Cannot train: expected either --budget or --max-gap');
  if (maxGap === undefined) refuse(flags, ['least', 'most', 'precision', 'tries'], '--max-gap');
  if (maxGap !== undefined || flags.kind === 'auto') return true;
  refuse(flags, ['metric', 'workers', 'queue', 'store', 'work', 'keepWork', 'resume'], 'auto or --max-gap');
  return false;
}

function refuse(flags: SearchFlags, names: readonly (keyof SearchFlags)[], without: string): void {
  const refused = names.find((name) => flags[name] !== undefined && flags[name] !== false);
  if (refused === undefined) return;
  throw new RangeError(`Cannot use --${kebabCase(refused)}: expected it with ${without} alone`);
}

function goalOf(flags: SearchFlags): Search['goal'] {
  const { budget, maxGap, least, most, precision, tries } = flags;
  if (maxGap === undefined) return { budget: budget as string };
  return { maxGap: readShare('gap', maxGap), least, most, precision, tries } satisfies SmallestOptions;
}

/** A search that is ready to run. */
interface Ready {
  readonly search: Search & { readonly job: { readonly seed: number } };
  readonly prepared: PreparedSearch;
  readonly folder: SweepFolder;
  readonly work: string;
  readonly facts: Awaited<ReturnType<typeof readBase>>;
}

/**
 * Searches for the best diff within a budget, or the smallest within a gap, and writes its payload. Tries are
 * kept in a folder until then.
 *
 * @returns the exit status
 */
export async function runSearch(flags: SearchFlags, io: Io): Promise<number> {
  const ready = await prepare(flags, io);
  if (flags.dryRun) {
    const trained = await planTraining(ready.search.job, ready.facts, io);
    printPlan(ready, trained, { flags, io });
    return EXIT.done;
  }
  const progress = new SearchProgress(io, flags, { most: mostTries(ready.prepared) });
  try {
    await findAndWrite(ready, progress, { flags, io });
    return EXIT.done;
  } catch (error) {
    progress.finish();
    const { work, prepared } = ready;
    const { tries, metric } = progress;
    if (io.signal.aborted && tries.some(({ diff }) => diff))
      throw new Interrupted(
        `interrupted; kept in ${work} (tries: ${tries.length}): --resume trains the rest`,
      );
    if (!(error instanceof NeuralDiffError) || error.code !== 'gap-unreachable') throw error;
    printMissed(error, { goal: prepared.goal, metric, tries }, { flags, io });
    remark(io, flags, `tries are kept in ${work}: --resume trains the rest`);
    return STATUS_OF[error.code];
  }
}

async function prepare(flags: SearchFlags, io: Io): Promise<Ready> {
  const { recipe, backend, metric, work = `${flags.out}.search` } = flags;
  checkTrainer(flags);
  const goal = goalOf(flags);
  await checkOutput(flags.out, { force: flags.force });
  const model = baseOf(flags);
  const facts = await readBase(model, io);
  const { seed = facts.seed } = flags;
  const about = { format: 'neural-diff search', settings: settingsOf(flags, facts.fingerprint) } as const;
  const folder = new SweepFolder(work, about, []);
  await folder.open({ force: flags.force && !flags.resume, resume: flags.resume });
  await loadRecipe(recipe);
  await importTraining();
  checkSeed(seed);
  const job = { ...model, full: flags.full, recipe, seed, backend, options: optionsOf(flags) };
  const kinds = flags.kind === 'auto' ? DIFF_KINDS : [flags.kind];
  const search = { job, kinds, goal, metric };
  return { search, prepared: await prepareSearch(search), folder, work, facts };
}

async function findAndWrite(
  { search, prepared, folder, work }: Ready,
  progress: SearchProgress,
  { flags, io }: { flags: SearchFlags; io: Io },
): Promise<void> {
  const trainer = openTrainer(flags, io);
  const { metric, tries, winner, payload } = await searchInStore(search, keepTriesIn(folder, search.job), {
    trainer: trainer.train,
    onRound: (round) => progress.plan(round),
    onStep: (report, served) => progress.step(report, served),
    onTry: (ended, by) => progress.end(ended, by),
  }).finally(() => trainer.close());
  progress.finish();
  await writeOutput(flags.out, payload, { force: flags.force });
  if (!flags.keepWork) await folder.remove();
  const { kind, budgetBytes, diff } = winner;
  const judged = { goal: prepared.goal, metric, tries, winner };
  const json = {
    kind,
    out: flags.out,
    budgetBytes,
    ...diff,
    metric: metric.name,
    goal: prepared.goal,
    tries: listTries(judged),
  };
  printResult(io, flags, { json, lines: [...formatTries(judged), '', ...describeTrained(diff)] });
  remarkCoarse(judged, { flags, io });
  remark(io, flags, `wrote ${flags.out}${flags.keepWork ? `, kept the tries in ${work}` : ''}`);
}

function remarkCoarse({ goal, metric, tries }: Judged, at: { flags: SearchFlags; io: Io }): void {
  const examples = tries.find(({ diff }) => diff)?.diff?.validationExamples ?? 0;
  if (goal.type === 'smallest' && metric !== undefined)
    remarkCoarseGap({ maxGap: goal.maxGap, metric: metric.name, examples }, at);
}

function mostTries({ goal, kinds }: PreparedSearch): number {
  return goal.type === 'best' ? kinds.length : goal.tries;
}

/** Prints that no try meets the goal, and the tries. */
function printMissed(
  error: NeuralDiffError,
  judged: Judged,
  { flags, io }: { flags: SearchFlags; io: Io },
): void {
  const { code, message, facts } = error;
  const json = { error: { code, message: `${message} (${code})`, ...facts }, tries: listTries(judged) };
  printResult(io, flags, { json, lines: formatTries(judged) });
  remarkCoarse(judged, { flags, io });
  io.err(`neural-diff: ${printable(message)} (${code})\n`);
}

function printPlan(
  { prepared, facts, work }: Ready,
  trained: Awaited<ReturnType<typeof planTraining>>,
  { flags, io }: { flags: SearchFlags; io: Io },
): void {
  const { goal, kinds, first } = prepared;
  const { fingerprint: base } = facts;
  const json = { dryRun: true, base, kinds, goal, first, trained: trained.json, out: flags.out, work };
  const limits =
    goal.type === 'best'
      ? `budget  ${goal.budgetBytes} bytes`
      : `search  a gap of at most ${goal.maxGap} with ${goal.leastBytes} to ${goal.mostBytes} bytes, ` +
        `to within a factor of ${goal.precision}`;
  const lines = [
    `base    ${base}`,
    limits,
    ...trained.lines,
    `costs   a full fine-tune and at most ${mostTries(prepared)} diffs`,
    ...first.map(({ kind, budgetBytes }) => `would first try  ${kind}  at most ${budgetBytes} bytes`),
    `would write ${flags.out}, and tries to ${work} until then`,
  ];
  printResult(io, flags, { json, lines });
}
