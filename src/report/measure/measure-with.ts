import { join } from 'node:path';
import { checkSameTensors } from '../../exact-diff/compare-stores.js';
import { importWithTensorFlow } from '../../recipe/import-training.js';
import { seedFor } from '../../recipe/open-base.js';
import type { Alternative, ApplyCost, Candidate, Measurements } from '../document.js';
import type { Accuracy, AccuracyBench } from './accuracy.js';
import { copyPatched, prepareApplyBench } from './apply-cost.js';
import type { PredictElsewhere } from './farm-predictions.js';
import { measureLayers } from './layers.js';
import { type OpenModels, withModels } from './open-models.js';
import { type CheckedPayload, checkPayload, namePayloads, withPayload } from './open-payloads.js';
import type { MeasureOptions, ModelPaths, NamedPayload } from './options.js';
import { measureAlternatives, stepsOfAlternatives } from './other-ways.js';
import { describeMachine, withTemporaryFolder } from './run-program.js';
import { Steps } from './steps.js';

/**
 * Measures as `measureReport` does, and runs the models on other machines.
 *
 * @param elsewhere runs them; by default they run here
 */
export async function measureWith(
  options: MeasureOptions,
  elsewhere: PredictElsewhere | undefined,
): Promise<Measurements> {
  const { signal, recipe, seed, backend = 'wasm', applyRuns = 5, streams = true } = options;
  if (!Number.isInteger(applyRuns) || applyRuns < 0)
    throw new RangeError(`Cannot apply payloads ${applyRuns} times: expected a whole number of at least 0`);
  if (options.precisionGap !== undefined) checkPrecision(options.precisionGap, recipe);
  const payloads = namePayloads(options.payloads);
  const steps = new Steps(countSteps({ ...options, applyRuns }, payloads), options);
  steps.report('reading the models');
  const use = async (models: OpenModels, folder: string): Promise<Measurements> => {
    const checked = await checkAll(payloads, { models, paths: options, steps, folder });
    const { byteDiffers, precisionGap } = options;
    const job = { models, payloads: checked, paths: options, applyRuns, byteDiffers, precisionGap, steps };
    if (recipe === undefined) return measureAll(job);
    const { base, chain, next } = options;
    const accuracyJob = {
      base,
      chain,
      next,
      recipe,
      backend,
      seed: seed ?? seedFor(models.facts.base),
      elsewhere,
      streams,
    };
    steps.report('loading the examples');
    const { withAccuracyBench } = await importWithTensorFlow(() => import('./accuracy.js'));
    return withAccuracyBench(accuracyJob, signal, (bench) => {
      if (bench.hasStreams) steps.add(stepsOfAccuracy(options, payloads));
      return measureAll({ ...job, bench });
    });
  };
  return withTemporaryFolder((folder) => withModels(options, signal, (models) => use(models, folder)));
}

/** Checks the payloads, and the full fine-tune unless a payload makes other tensors too. */
async function checkAll(
  payloads: readonly NamedPayload[],
  { models, paths, steps, folder }: Pick<MeasureJob, 'models' | 'paths' | 'steps'> & { folder: string },
): Promise<CheckedPayload[]> {
  const { base, chain = [] } = paths;
  let copy: Promise<string> | undefined;
  const baseFiles = (): Promise<string> => {
    if (chain.length === 0) return Promise.resolve(base);
    copy ??= copyPatched({ base, chain }, join(folder, 'base')).then(({ from, main }) => join(from, main));
    return copy;
  };
  const checked: CheckedPayload[] = [];
  for (const [i, payload] of payloads.entries()) {
    const against = { base: models.base, baseFiles, to: join(folder, `${i}`), signal: steps.signal };
    checked.push(await steps.run(`checking "${payload.name}"`, () => checkPayload(payload, against)));
  }
  if (models.next && checked.every(({ made }) => made === undefined))
    checkSameTensors(models.base.tensors, models.next.tensors);
  return checked;
}

function countSteps(
  options: MeasureOptions & { applyRuns: number },
  payloads: readonly NamedPayload[],
): number {
  const checkAndCompare = 2 * payloads.length;
  const apply = options.applyRuns > 0 ? 1 + payloads.length : 0;
  const accuracy = options.recipe === undefined ? 0 : stepsOfAccuracy(options, payloads);
  const precision = options.precisionGap === undefined ? 0 : 1;
  return checkAndCompare + stepsOfAlternatives(options) + apply + accuracy + precision;
}

/** Everything needed to measure, already checked. */
interface MeasureJob {
  readonly models: OpenModels;
  readonly payloads: readonly CheckedPayload[];
  readonly paths: ModelPaths;
  readonly applyRuns: number;
  readonly byteDiffers?: boolean | undefined;
  readonly precisionGap?: number | undefined;
  readonly steps: Steps;
  readonly bench?: AccuracyBench;
}

async function measureAll(job: MeasureJob): Promise<Measurements> {
  const { models, payloads, applyRuns, byteDiffers, steps, bench } = job;
  const costs: PayloadCost[] = [];
  for (const payload of payloads)
    costs.push(await steps.run(`comparing "${payload.name}"`, () => measurePayload(payload, job)));
  const payload = payloads[0] as CheckedPayload;
  const ways = await measureAlternatives(models, { payload, next: job.paths.next, byteDiffers, steps });
  const applied = applyRuns > 0 ? await measureApplying(job) : [];
  const accuracy = await bench?.measure(payloads, steps);
  const precision = bench && (await measureGrids(bench, job));
  steps.report('done');
  return {
    machine: describeMachine(),
    model: models.facts,
    ...(accuracy && { data: accuracy.data }),
    base: accuracy?.base ?? {},
    ...fullOf(job, accuracy),
    candidates: costs.map((cost, i) => ({
      ...cost,
      ...(applied[i] && { apply: applied[i] }),
      ...accuracy?.candidates[i],
    })),
    ways,
    ...(precision && { precision }),
    ...(accuracy?.streaming && { streaming: accuracy.streaming }),
    remarks: remarksOf({ accuracy, ways, applyRuns }),
  };
}

/** @throws RangeError for a gap that is no share, or without the examples of a recipe */
function checkPrecision(gap: number, recipe: string | undefined): void {
  if (!(gap >= 0 && gap <= 1))
    throw new RangeError(`Cannot choose grids: expected a gap from 0 to 1, got ${gap}`);
  if (recipe === undefined) throw new RangeError('Cannot choose grids: expected a recipe with examples');
}

function measureGrids(
  bench: AccuracyBench,
  { precisionGap: maxGap, steps }: MeasureJob,
): Promise<Measurements['precision']> {
  if (maxGap === undefined) return Promise.resolve(undefined);
  const doing = 'choosing grids';
  return steps.run(doing, () =>
    bench.advisePrecision({
      maxGap,
      signal: steps.signal,
      onProgress: ({ phase, done, total }) => steps.report(`${doing}: ${phase}, ${done} of ${total} runs`),
    }),
  );
}

/** A full fine-tune is reported even if its accuracy was not measured. */
function fullOf({ models }: MeasureJob, accuracy: Accuracy | undefined): Pick<Measurements, 'full'> {
  return models.next === undefined ? {} : { full: accuracy?.full ?? {} };
}

/** The facts of a payload that are known without running anything. */
type PayloadCost = Omit<Candidate, 'checks' | 'apply' | 'quality' | 'problem' | 'versusBase' | 'versusFull'>;

function measurePayload({ name, path }: NamedPayload, { models, steps }: MeasureJob): Promise<PayloadCost> {
  return withPayload(path, async ({ bytes, opened }) => {
    const { kinds, layers, sharedBytes } = await measureLayers(
      models.base,
      { ...opened, payloadBytes: bytes.length },
      steps.signal,
    );
    const share = bytes.length / models.facts.float32Bytes;
    const next = opened.header.next;
    return { name, kinds, next, bytes: bytes.length, share, layers, sharedBytes };
  });
}

function measureApplying({ payloads, paths, applyRuns, steps }: MeasureJob): Promise<ApplyCost[]> {
  const { base, chain = [] } = paths;
  return withTemporaryFolder(async (folder) => {
    const bench = await steps.run('copying the model to apply payloads to', () =>
      prepareApplyBench({ base, chain }, folder, steps.signal),
    );
    const costs: ApplyCost[] = [];
    for (const payload of payloads)
      costs.push(await steps.run(`applying "${payload.name}"`, () => bench.measure(payload, applyRuns)));
    return costs;
  });
}

/** Facts that remarks depend on. */
export interface MeasuredFacts {
  readonly accuracy?: Accuracy | undefined;
  readonly ways: readonly Alternative[];
  /** How often each payload was applied. */
  readonly applyRuns: number;
}

/** @returns notes on how it was measured, in sentences */
function remarksOf({ accuracy, ways, applyRuns }: MeasuredFacts): string[] {
  const { data, sequences, streaming, notStreamed = [] } = accuracy ?? {};
  const missing = ways.filter(({ note }) => note === 'not installed').map(({ name }) => name);
  const remarks: [isDue: boolean, remark: string][] = [
    [
      data?.source === 'validation',
      'Accuracy was measured on validation data, which may have chosen the payload: let the recipe return "test" for reliable figures.',
    ],
    [
      data !== undefined && sequences === undefined,
      'Confidence intervals assume independent examples: they are too narrow if many examples come from one source.',
    ],
    [
      sequences !== undefined,
      `Each step of the ${sequences} sequences counts as an example. Steps of one sequence depend on each other, and confidence intervals assume independent examples, so they are too narrow.`,
    ],
    [data?.runtime !== undefined, `The models were run by ${data?.runtime}.`],
    [
      applyRuns > 0,
      'The cost of applying was measured on the machine that made this report: devices may be slower or faster.',
    ],
    [
      streaming !== undefined,
      'Streams were simulated: latencies follow from FLOPs and the speed of the thread, no frame was timed.',
    ],
    [
      notStreamed.length > 0,
      `The streams of the recipe were not run with ${notStreamed.join(', ')}: only LayersModels run them.`,
    ],
    [missing.length > 0, `Skipped, as not installed on this machine: ${missing.join(', ')}.`],
  ];
  return remarks.filter(([isDue]) => isDue).map(([, remark]) => remark);
}

/** @returns the number of steps to measure accuracy, without preparations */
function stepsOfAccuracy({ next }: ModelPaths, payloads: readonly NamedPayload[]): number {
  return (next === undefined ? 1 : 2) + payloads.length;
}
