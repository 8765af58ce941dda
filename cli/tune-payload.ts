import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NeuralDiffError } from '../src/model/errors.js';
import { checkOutput, writeOutput } from '../src/node/output.js';
import { budgetBytes, readBudget } from '../src/payload/encode.js';
import { importTraining } from '../src/recipe/import-training.js';
import { loadRecipe } from '../src/recipe/recipe.js';
import { readMetric } from '../src/recipe/search/prepare.js';
import { Knowledge, type TaskName } from '../src/recipe/tune/knowledge.js';
import { jobOf, payloadSpace } from '../src/recipe/tune/payload-space.js';
import { firstTrials } from '../src/recipe/tune/plan.js';
import { applyRules } from '../src/recipe/tune/rules.js';
import {
  goalOf,
  type PayloadSearch,
  type PayloadTrial,
  type TuneContext,
  type TuneResult,
  tunePayload,
} from '../src/recipe/tune/tune-payload.js';
import { prepareApplyBench } from '../src/report/measure/apply-cost.js';
import { checkSeed } from '../src/train/random.js';
import type { CommonFlags, FlagsOf } from './command.js';
import type { TUNE_FLAGS } from './commands/tune.js';
import { EXIT } from './exit-codes.js';
import { countOf, formatBytes, Interrupted, type Io, printResult, remark } from './io.js';
import { TuneProgress } from './job-progress.js';
import { checkTrainer, openTrainer } from './trainer.js';
import { baseOf, describeTrained, optionsOf, planTraining, readBase, remarkCoarseGap } from './training.js';
import { TuneFolder } from './tune-folder.js';
import { KNOWLEDGE, refuseFlags, taskOf } from './tune-search.js';
import { describeGoal, describePlanned, formatGap, formatTuned, listTrials } from './tune-words.js';
import { readShare } from './values.js';
import { readVersion } from './version.js';

type TuneFlags = FlagsOf<typeof TUNE_FLAGS> & CommonFlags;

/** Flags of the search for a network. */
const OF_NETWORKS = ['mode', 'maxInferMs', 'maxInferShare'] as const;

/** Runs of an apply whose median is its time, where time or memory are limited. */
const APPLY_RUNS = 3;

/** A search that is ready to run. */
interface Ready {
  readonly search: PayloadSearch;
  readonly folder: TuneFolder;
  readonly work: string;
  readonly knowledge: Knowledge;
  readonly name: TaskName;
  readonly facts: Awaited<ReturnType<typeof readBase>>;
}

/** Searches for a payload that meets limits, and writes it. @returns the exit status */
export async function tunePayloads(flags: TuneFlags, io: Io): Promise<number> {
  const ready = await prepare(flags, io);
  if (flags.dryRun) {
    await printPlan(ready, { flags, io });
    return EXIT.done;
  }
  const progress = new TuneProgress(io, flags, { most: flags.trials });
  const ended: PayloadTrial[] = [];
  try {
    const result = await search(ready, { flags, io, progress, ended });
    progress.finish();
    await finish(ready, result, { flags, io });
    return EXIT.done;
  } catch (error) {
    progress.finish();
    if (io.signal.aborted && ended.length > 0)
      throw new Interrupted(`interrupted; kept in ${ready.work} (trials: ${ended.length}): --resume goes on`);
    throw error;
  } finally {
    if (ended.length > 0) await ready.knowledge.learn(ready.name, ended);
  }
}

async function prepare(flags: TuneFlags, io: Io): Promise<Ready> {
  const { recipe, backend, trials, work = `${flags.out}.tune`, maxMemory, maxApplyMs, rule } = flags;
  refuseFlags(flags, OF_NETWORKS, 'tune payload');
  checkTrainer(flags);
  if (!(trials >= 1 && trials <= 10_000))
    throw new RangeError(`Cannot tune with ${trials} trials: expected 1 to 10,000`);
  await checkOutput(flags.out, { force: flags.force });
  const model = baseOf(flags);
  const facts = await readBase(model, io);
  const { seed = facts.seed } = flags;
  checkSeed(seed);
  const { options: ofRecipe = {} } = await loadRecipe(recipe);
  await importTraining();
  const limits = {
    mostBytes: budgetBytes(flags.maxBytes ?? '1%', facts.tensors),
    maxGap: flags.maxGap === undefined ? undefined : readShare('gap', flags.maxGap),
    maxApplyMilliseconds: maxApplyMs,
    maxMemoryBytes: maxMemory === undefined ? undefined : readBudget(maxMemory, facts.tensors),
  };
  const job = { ...model, full: flags.full, recipe, seed, backend, options: optionsOf(flags) };
  const space = applyRules(payloadSpace({ isSizeFree: limits.maxGap !== undefined }), rule);
  const name = { space: 'payload', task: await taskOf(facts.fingerprint, recipe) };
  const settings = {
    name,
    job: { ...job, base: facts.fingerprint, chain: undefined },
    ofRecipe,
    limits,
    rule,
    version: readVersion(),
  };
  const folder = new TuneFolder(work, settings);
  const knowledge = await Knowledge.open(flags.knowledge ?? KNOWLEDGE);
  await folder.open({ force: flags.force, resume: flags.resume }, knowledge.of(name));
  const metric = flags.metric === undefined ? undefined : readMetric(flags.metric);
  const search = { job, recipe: ofRecipe, space, limits, metric, trials, known: folder.known };
  return { search, folder, work, knowledge, name, facts };
}

interface Running {
  readonly flags: TuneFlags;
  readonly io: Io;
  readonly progress: TuneProgress;
  /** Takes the trials as they end. */
  readonly ended: PayloadTrial[];
}

async function search(ready: Ready, { flags, io, progress, ended }: Running): Promise<TuneResult> {
  const { folder } = ready;
  const scratch = await mkdtemp(join(tmpdir(), 'neural-diff-tune-'));
  const trainer = openTrainer(flags, io);
  try {
    const { base, chain = [] } = ready.search.job;
    const { maxApplyMilliseconds, maxMemoryBytes } = ready.search.limits;
    const runs = (maxApplyMilliseconds ?? maxMemoryBytes) === undefined ? 1 : APPLY_RUNS;
    const bench = await prepareApplyBench({ base, chain }, scratch, io.signal);
    const context: TuneContext = {
      train: trainer.train,
      async measureApply(planned, payload) {
        const path = await folder.write(planned, payload);
        const { seconds, extraMemoryBytes } = await bench.measure({ path }, runs);
        return { milliseconds: 1000 * seconds, memoryBytes: extraMemoryBytes };
      },
      find: async (planned) => folder.find(planned),
      keep: async (trial) => {
        if (trial.diff) await folder.keep(trial);
      },
      onStep: (report, served) => progress.step(report, served),
      onTrial: (trial, metric) => {
        ended.push(trial);
        progress.end(trial, metric);
      },
    };
    return await tunePayload(ready.search, context);
  } finally {
    await trainer.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

async function finish(
  { search, folder, work }: Ready,
  result: TuneResult,
  { flags, io }: { flags: TuneFlags; io: Io },
): Promise<void> {
  const { best, goal, metric, error, correlations } = result;
  if (best?.diff === undefined) throw unreachable(result, { work, flags, io });
  await writeOutput(flags.out, await folder.payload(best), { force: flags.force });
  if (!flags.keepWork) await folder.remove();
  const { options, kind, budget } = jobOf(best, { ...search, mostBytes: search.limits.mostBytes });
  const payloadBytes = best.measured?.bytes ?? 0;
  const json = {
    out: flags.out,
    kind,
    budgetBytes: budget,
    options,
    configuration: best.configuration,
    ...best.diff,
    payloadBytes,
    measured: best.measured,
    metric: metric.name,
    goal,
    error,
    correlations,
    trials: listTrials(result),
  };
  const again = `trained by  train ${kind} --budget ${budget}, with options ${JSON.stringify(options)}`;
  const lines = [...formatTuned(result), '', ...describeTrained({ ...best.diff, payloadBytes }), again];
  printResult(io, flags, { json, lines });
  const { maxGap } = search.limits;
  const { validationExamples: examples } = best.diff;
  if (maxGap !== undefined) remarkCoarseGap({ maxGap, metric: metric.name, examples }, { flags, io });
  remark(io, flags, `wrote ${flags.out}${flags.keepWork ? `, kept the trials in ${work}` : ''}`);
}

/** Prints the trials. @returns the error that none of them is within the limits */
function unreachable(
  result: TuneResult,
  { work, flags, io }: { work: string; flags: TuneFlags; io: Io },
): NeuralDiffError {
  const { nearest, metric, goal, trials } = result;
  const { gap = Number.NaN, bytes = 0, applyMilliseconds = 0, memoryBytes = 0 } = nearest?.measured ?? {};
  const { name } = metric;
  if (!flags.json) for (const line of formatTuned(result)) remark(io, flags, line);
  remark(io, flags, `trials are kept in ${work}: --resume with more --trials goes on`);
  const found = `${formatBytes(bytes)}, ${formatGap(gap, metric)} of ${name} behind, applied in ${applyMilliseconds.toFixed(1)} ms with ${formatBytes(memoryBytes)}`;
  const message = `Cannot meet all limits: the nearest of ${countOf(trials.length, 'trial')} has ${found}`;
  const facts = { metric: name, ...goal.limits, gap, bytes };
  return new NeuralDiffError('gap-unreachable', message, { facts });
}

async function printPlan(
  { search, work, facts }: Ready,
  { flags, io }: { flags: TuneFlags; io: Io },
): Promise<void> {
  const { space, limits, known, job, trials } = search;
  const goal = goalOf(limits);
  const trained = await planTraining(job, facts, io);
  const first = firstTrials(space);
  const json = {
    dryRun: true,
    base: facts.fingerprint,
    goal,
    choices: space.choices,
    first,
    known: known.length,
    trained: trained.json,
    out: flags.out,
    work,
  };
  const lines = [
    `base     ${facts.fingerprint}`,
    `goal     ${describeGoal(goal)}`,
    ...space.choices.map(({ name, values }) => `choice   ${name}: ${values.join(', ')}`),
    `knows    ${countOf(known.length, 'other task')}`,
    ...trained.lines,
    `costs    a full fine-tune and ${countOf(trials, 'whole trial')}`,
    ...first.map((planned) => `would first try  ${describePlanned(planned)}`),
    `would write ${flags.out}, and trials to ${work} until then`,
  ];
  printResult(io, flags, { json, lines });
}
