import type { Progress } from '../../model/progress.js';
import { importWithTensorFlow } from '../../recipe/import-training.js';
import { seedFor } from '../../recipe/open-base.js';
import type { Alternative, ApplyCost, Candidate, DataFacts, Measurements } from '../document.js';
import type { Accuracy, AccuracyBench } from './accuracy.js';
import { prepareApplyBench } from './apply-cost.js';
import { measureLayers } from './layers.js';
import { type ModelPaths, type OpenModels, withModels } from './open-models.js';
import { checkPayload, type NamedPayload, namePayloads, withPayload } from './open-payloads.js';
import { measureAlternatives, stepsOfAlternatives } from './other-ways.js';
import { describeMachine, withTemporaryFolder } from './run-program.js';
import { Steps } from './steps.js';

/** What `measureReport` takes. */
export interface MeasureOptions {
  /** The model, in any container; a LayersModel's folder where accuracy is measured. */
  readonly base: string;
  /** Payloads that devices have applied to it already, in order. */
  readonly chain?: readonly string[] | undefined;
  /** The full fine-tune. */
  readonly next?: string | undefined;
  readonly signal?: AbortSignal;
  /** Steps that have ended, and all of them; the phase says what is being done: `predicting with "hash-0.5"`. */
  readonly onProgress?: (progress: Progress) => void;
  /** Payload files, with names or without: then those of the files, and of their folders where these are alike. */
  readonly payloads: readonly ({ readonly name: string; readonly path: string } | string)[];
  /** Path of a recipe module: accuracy is measured on its test data, else on its validation data. */
  readonly recipe?: string | undefined;
  /** What the recipe's data may depend on: 0 to 2^32 - 1; the base's own unless given (`seedFor`). */
  readonly seed?: number | undefined;
  /** TensorFlow.js backend; default `wasm`. */
  readonly backend?: 'wasm' | 'cpu';
  /** Times that each payload is applied in a process of its own; default 5, 0 for never. */
  readonly applyRuns?: number;
  /** Whether other programs that make diffs of files are run; default true. */
  readonly byteDiffers?: boolean;
}

/**
 * Measures what payloads cost and what they give, beside other ways of shipping the same update. Nothing is written but
 * temporary files, and these are gone afterwards. TensorFlow.js is loaded for a recipe alone.
 *
 * 1. Base, full fine-tune and payloads are opened, and everything is checked that could refuse later. 2. Payloads are decoded
 * and compared with the base tensor by tensor. 3. Other ways of shipping are tried. 4. Payloads are applied to copies of
 * the model's files. 5. Models are run on all examples: the payloads' as they come out of storage.
 *
 * @throws RangeError for no payloads, names that are given twice, a number of runs that is none
 * @throws NeuralDiffError `wrong-base`, `wrong-layout`, `broken-chain`, `result-mismatch` and a payload's own codes for one that
 *   does not fit; `bad-data` for examples or outputs that accuracy cannot be told from; those of a recipe and of models on disk; `missing-package`;
 *   `no-space`
 * @throws the signal's reason
 *
 * @example
 * const measured = await measureReport({ base: 'models/v1', payloads: ['v2.ndiff'], recipe: 'recipe.mjs' });
 */
export async function measureReport(options: MeasureOptions): Promise<Measurements> {
  const { signal, recipe, seed, backend = 'wasm', applyRuns = 5 } = options;
  if (!Number.isInteger(applyRuns) || applyRuns < 0)
    throw new RangeError(`Cannot apply payloads ${applyRuns} times: expected a whole number of at least 0`);
  const payloads = namePayloads(options.payloads);
  const steps = new Steps(countSteps({ ...options, applyRuns }, payloads), options);
  steps.report('reading the models');
  return withModels(options, signal, async (models) => {
    for (const payload of payloads)
      await steps.run(`checking "${payload.name}"`, () => checkPayload(payload, models.base, signal));
    const { byteDiffers } = options;
    const job = { models, payloads, paths: options, applyRuns, byteDiffers, steps };
    if (recipe === undefined) return measureAll(job);
    const { base, chain, next } = options;
    const accuracyJob = {
      base,
      chain,
      next,
      recipe,
      backend,
      seed: seed ?? seedFor(models.facts.base),
    };
    steps.report('loading the examples');
    const { withAccuracyBench } = await importWithTensorFlow(() => import('./accuracy.js'));
    return withAccuracyBench(accuracyJob, signal, (bench) => measureAll({ ...job, bench }));
  });
}

function countSteps(
  options: MeasureOptions & { applyRuns: number },
  payloads: readonly NamedPayload[],
): number {
  const checkAndCompare = 2 * payloads.length;
  const apply = options.applyRuns > 0 ? 1 + payloads.length : 0;
  const accuracy = options.recipe === undefined ? 0 : stepsOfAccuracy(options, payloads);
  return checkAndCompare + stepsOfAlternatives(options) + apply + accuracy;
}

/** Everything that measuring works on, checked. */
interface MeasureJob {
  readonly models: OpenModels;
  readonly payloads: readonly NamedPayload[];
  readonly paths: ModelPaths;
  readonly applyRuns: number;
  readonly byteDiffers?: boolean | undefined;
  readonly steps: Steps;
  readonly bench?: AccuracyBench;
}

async function measureAll(job: MeasureJob): Promise<Measurements> {
  const { models, payloads, applyRuns, byteDiffers, steps, bench } = job;
  const costs: PayloadCost[] = [];
  for (const payload of payloads)
    costs.push(await steps.run(`comparing "${payload.name}"`, () => measurePayload(payload, job)));
  const payload = (payloads[0] as NamedPayload).path;
  const ways = await measureAlternatives(models, { payload, byteDiffers, steps });
  const applied = applyRuns > 0 ? await measureApplying(job) : [];
  const accuracy = await bench?.measure(payloads, steps);
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
    remarks: remarksOf({ data: accuracy?.data, ways, applyRuns }),
  };
}

/** A full fine-tune whose accuracy was not measured is there all the same. */
function fullOf({ models }: MeasureJob, accuracy: Accuracy | undefined): Pick<Measurements, 'full'> {
  return models.next === undefined ? {} : { full: accuracy?.full ?? {} };
}

/** What is known of a payload without running anything. */
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
    for (const { name, path } of payloads)
      costs.push(await steps.run(`applying "${name}"`, () => bench.measure(path, applyRuns)));
    return costs;
  });
}

/** What remarks depend on. */
export interface MeasuredFacts {
  readonly data?: DataFacts | undefined;
  readonly ways: readonly Alternative[];
  /** Times that each payload was applied. */
  readonly applyRuns: number;
}

/** @returns what a reader must know of how it was measured, in sentences */
export function remarksOf({ data, ways, applyRuns }: MeasuredFacts): string[] {
  const missing = ways.filter(({ note }) => note === 'not installed').map(({ name }) => name);
  const remarks: [isDue: boolean, remark: string][] = [
    [
      data?.source === 'validation',
      'Accuracy was measured on validation data, which may have chosen the payload: let the recipe return "test" for figures to rely on.',
    ],
    [
      data !== undefined,
      'Confidence intervals take examples as independent of each other: they are too narrow where many come from one source.',
    ],
    [
      applyRuns > 0,
      'What applying takes was measured on one machine, the one that made this report: devices take longer or shorter.',
    ],
    [missing.length > 0, `Not installed where this was measured, and left out: ${missing.join(', ')}.`],
  ];
  return remarks.filter(([isDue]) => isDue).map(([, remark]) => remark);
}

/** @returns steps that measuring takes, apart from the preparations */
function stepsOfAccuracy({ next }: ModelPaths, payloads: readonly NamedPayload[]): number {
  return (next === undefined ? 1 : 2) + payloads.length;
}
