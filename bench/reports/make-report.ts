import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCli } from '../../cli/run.js';
import { saveModel, trainBase } from '../../examples/common/train-base.js';
import { fineTuneKey, type TrainingJob } from '../../src/recipe/job.js';
import { trainMany } from '../../src/recipe/sweep/train-many.js';
import { fineTuneByRecipe } from '../../src/recipe/train-by-recipe.js';
import { writeFineTune } from '../../src/recipe/write-fine-tune.js';
import type { Report } from '../../src/report/document.js';
import { parseReport } from '../../src/report/schema.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { findTask } from '../tasks/index.js';
import type { Stage } from '../tasks/task.js';

/** What benches measured, shown next to what reports measure. */
export const BENCHES = ['accuracy', 'sequence'].map((name) => join('bench', 'results', `${name}.json`));

/** Payloads that a report sets side by side. */
const PAYLOADS = [
  { kind: 'hash', budget: '0.2%' },
  { kind: 'hash', budget: '0.5%' },
  { kind: 'hash', budget: '1%' },
  { kind: 'sparse', budget: '0.5%' },
] as const;

/** What a payload must keep to, whatever the task. */
const GATES = {
  maxShare: 0.01,
  maxGap: 0.01,
  maxNegativeFlips: 0.02,
  slices: { '*': { maxGap: 0.02 } },
};

/** What a report is made of, and where. */
export interface ReportJob {
  /** Name of a bench's task. */
  readonly task: string;
  readonly seed: number;
  /** Folder for models, payloads and the report; made again. */
  readonly folder: string;
  /** Documents that benches printed. */
  readonly bench: readonly string[];
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

/** A report that was made. */
export interface MadeReport {
  readonly report: Report;
  /** Folder of the report's files. */
  readonly out: string;
  readonly status: number;
}

/** Trains a base, its full fine-tune and some payloads, and has the command line report on them. */
export async function makeReport(job: ReportJob): Promise<MadeReport> {
  const { task, seed, folder, signal, say } = job;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const base = join(folder, 'base');
  say(`${task}: training the base model`);
  const title = await trainTaskBase(job, base);
  const recipe = fileURLToPath(new URL(`./${task}-recipe.js`, import.meta.url));
  const shared = { base, recipe, seed };
  say(`${task}: training the full fine-tune`);
  const full = await fineTuneByRecipe(shared, { signal });
  await writeFineTune({ base }, full, { out: join(folder, 'full'), use: async () => {} });
  say(`${task}: training ${PAYLOADS.length} diffs`);
  const jobs = PAYLOADS.map((each): TrainingJob => ({ ...shared, ...each }));
  const outcomes = await trainMany(jobs, {
    signal,
    fineTunes: new Map([[fineTuneKey(shared), full]]),
    onOutcome: (outcome) => say(`${task}: ${outcome.status} ${outcome.job.kind} ${outcome.job.budget}`),
  });
  const names: string[] = [];
  for (const outcome of outcomes) {
    if (outcome.status === 'failed') throw outcome.error;
    const name = `${outcome.job.kind}-${outcome.job.budget}`;
    await writeFile(join(folder, `${name}.ndiff`), outcome.diff.payload);
    names.push(name);
  }
  return runReport(job, { title, recipe, names });
}

async function trainTaskBase({ task, seed, signal }: ReportJob, folder: string): Promise<string> {
  const found = findTask(task);
  const { stages, createModel, baseTraining } = await found.load({ seed, signal });
  await useBackend('wasm');
  const model = createModel(seed);
  await trainBase(model, (stages[0] as Stage).train, { ...baseTraining, seed, signal });
  await saveModel(model, folder);
  model.dispose();
  return `${found.title}; the update adds ${(stages[1] as Stage).adds}`;
}

async function runReport(
  { task, seed, folder, bench, signal, say }: ReportJob,
  { title, recipe, names }: { title: string; recipe: string; names: readonly string[] },
): Promise<MadeReport> {
  const [gates, out] = [join(folder, 'gates.json'), join(folder, 'report')];
  await writeFile(gates, JSON.stringify(GATES, null, 2));
  const lines: string[] = [];
  const args = [
    ...['report', '--base', join(folder, 'base'), '--next', join(folder, 'full'), '--recipe', recipe],
    ...names.flatMap((name) => ['--payload', join(folder, `${name}.ndiff`)]),
    ...bench.flatMap((path) => ['--bench', path]),
    ...(bench.length > 0 ? ['--task', task] : []),
    ...['--seed', String(seed), '--title', title, '--gate', gates, '--json', '-o', out],
  ];
  const status = await runCli(args, {
    out: (text) => lines.push(String(text)),
    err: (text) => say(`${task}: ${text.trimEnd()}`),
    isTerminal: false,
    signal,
    now: () => performance.now(),
  });
  const text = lines.join('');
  if (!text.includes('"candidates"')) throw new Error(`The report of ${task} ended with status ${status}`);
  return { report: parseReport(text, 'report.json'), out, status };
}
