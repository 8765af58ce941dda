import { openBase } from '../../recipe/open-base.js';
import { readRows } from '../../train/predictor.js';
import { compareModels, type Predictions, qualityOf, type Truth } from '../assess.js';
import type { Candidate, DataFacts, MeasuredModel, Report } from '../document.js';
import type { Precision } from '../precision.js';
import type { PredictElsewhere, PredictSetting } from './farm-predictions.js';
import { type AccuracyJob, withExamples } from './load-examples.js';
import type { CheckedPayload } from './open-payloads.js';
import { type LiveModel, withRunner } from './open-runner.js';
import type { PrecisionOptions } from './precision/choose-precision.js';
import { measurePrecision } from './precision/measure-precision.js';
import { type Predicted, predict } from './predict.js';
import { readTruth } from './read-truth.js';
import type { Steps } from './steps.js';
import { type MeasuredStreams, measureStreams, type StreamJob } from './streams.js';

/** Measured accuracies. */
export interface Accuracy {
  readonly data: DataFacts;
  readonly base: MeasuredModel;
  readonly full?: MeasuredModel;
  /** In the order of the payloads. */
  readonly candidates: readonly MeasuredCandidate[];
  /** If the examples are steps of sequences, the number of these. */
  readonly sequences?: number | undefined;
  readonly streaming?: Report['streaming'];
  /** Names of the models that were not run on the recipe's streams, as they are no LayersModels. */
  readonly notStreamed: readonly string[];
}

type MeasuredCandidate = Pick<Candidate, 'quality' | 'problem' | 'streams' | 'versusBase' | 'versusFull'>;

/** Checked examples, on which models can be measured. */
export interface AccuracyBench {
  /** Whether models are run on streams, too: one more step for each model. */
  readonly hasStreams: boolean;
  /**
   * Measures base, full fine-tune and the payloads after decoding.
   *
   * @throws NeuralDiffError `bad-data` for a dataset that changes, `wrong-layout` for a full fine-tune with
   *   other classes, those of a model on disk; `recipe-failed`, `recipe-invalid` for streams; the signal's
   *   reason
   */
  measure(payloads: readonly CheckedPayload[], steps: Steps): Promise<Accuracy>;
  /**
   * Finds the coarsest grids of the base's tensors that keep a contract.
   *
   * @throws as `choosePrecision`
   */
  advisePrecision(options: PrecisionOptions): Promise<Precision>;
}

/**
 * Loads a recipe's examples, checks them and the model's outputs, calls a function with them, and disposes of
 * them.
 *
 * @throws NeuralDiffError `missing-package`, `recipe-unreadable`, `recipe-invalid`, `recipe-failed`,
 *   `bad-data`, `bad-model`; the signal's reason
 */
export async function withAccuracyBench<T>(
  job: AccuracyJob & Pick<Setting, 'elsewhere'> & { readonly streams?: boolean },
  signal: AbortSignal | undefined,
  use: (bench: AccuracyBench) => Promise<T>,
): Promise<T> {
  if (job.next !== undefined) await (await openBase({ base: job.next })).store.close();
  return withExamples(job, signal, async ({ model, source, found, stream }) => {
    const known = await withRunner(model, async (runner) => {
      const truth = await readTruth(runner, { data: model.data, descriptions: found, signal });
      return { truth, runtime: runner.runtime };
    });
    const setting = { ...job, model, source, ...known, stream: job.streams === true ? stream : undefined };
    return use({
      hasStreams: setting.stream !== undefined,
      measure: (payloads, steps) => measureAll(setting, { payloads, steps }),
      advisePrecision: (options) => measurePrecision(model, { ...options, found }),
    });
  });
}

/** A model and examples that fit it. */
interface Setting extends PredictSetting {
  readonly model: LiveModel;
  readonly next?: string | undefined;
  readonly source: DataFacts['source'];
  readonly elsewhere?: PredictElsewhere | undefined;
  readonly stream: StreamJob['stream'] | undefined;
}

async function measureAll(
  setting: Setting,
  { payloads, steps }: { payloads: readonly CheckedPayload[]; steps: Steps },
): Promise<Accuracy> {
  const { truth, source, runtime, next } = setting;
  const models = modelsOf(setting, payloads);
  const predictions = predictAll(setting, models, steps);
  const take = async (): Promise<Predicted> => (await predictions.next()).value as Predicted;
  const ofBase = await take();
  const ofFull = next === undefined ? undefined : await take();
  const measured: MeasuredCandidate[] = [];
  // One after the other: predictions of many examples take memory.
  for await (const found of predictions) {
    const versusBase = compare(truth, ofBase, found);
    const versusFull = ofFull && compare(truth, ofFull, found);
    measured.push({
      ...assess(truth, found, ofBase),
      ...(versusBase && { versusBase }),
      ...(versusFull && { versusFull }),
    });
  }
  const { streaming, results } = await streamsOf(setting, models, steps);
  const streamed = (place: number): Pick<MeasuredModel, 'streams'> => {
    const streams = results[place];
    return streams === undefined ? {} : { streams };
  };
  const first = models.length - payloads.length;
  return {
    data: { source, examples: truth.classes.length, labels: truth.labels, runtime },
    base: { ...assess(truth, ofBase), ...streamed(0) },
    ...(ofFull && { full: { ...assess(truth, ofFull, ofBase), ...streamed(1) } }),
    candidates: measured.map((each, i) => ({ ...each, ...streamed(first + i) })),
    sequences: truth.sequences,
    ...(streaming && { streaming }),
    notStreamed: results.flatMap((result, i) => (result ? [] : [(models[i] as NamedModel).name])),
  };
}

/** A model and its name in messages. */
interface NamedModel {
  readonly name: string;
  readonly model: LiveModel;
}

/** @returns base, full fine-tune if there is one, and those of the payloads */
function modelsOf({ model, next }: Setting, payloads: readonly CheckedPayload[]): NamedModel[] {
  const candidates = payloads.map(({ name, path, made }) => ({
    name: `"${name}"`,
    model:
      made === undefined
        ? { ...model, chain: [...(model.chain ?? []), path] }
        : { ...model, base: made, chain: [] },
  }));
  const full = { name: 'the full fine-tune', model: { ...model, base: next ?? '', chain: [] } };
  return [{ name: 'the base', model }, ...(next === undefined ? [] : [full]), ...candidates];
}

/** Runs the models on the streams of the recipe, here also if they predict elsewhere. */
async function streamsOf(
  { recipe, stream, seed }: Setting,
  models: readonly NamedModel[],
  steps: Steps,
): Promise<MeasuredStreams> {
  return stream === undefined ? { results: [] } : measureStreams(models, { recipe, stream, seed }, steps);
}

/** Predicts with models, one after the other: here, or elsewhere, where all of them start at once. */
async function* predictAll(
  setting: Setting,
  models: readonly NamedModel[],
  steps: Steps,
): AsyncGenerator<Predicted, undefined> {
  const { elsewhere } = setting;
  const paths = models.map(({ model: { base, chain } }) => ({ base, chain }));
  const running = await elsewhere?.(paths, setting);
  for (const [i, { name, model }] of models.entries()) {
    const doing = `predicting with ${name}`;
    const report = (what: string): void => steps.report(`${doing}: ${what}`);
    yield await steps.run(doing, running?.[i] ?? (() => predictHere(setting, model, report)));
  }
}

function predictHere(
  { truth }: Setting,
  model: LiveModel,
  report: (what: string) => void,
): Promise<Predicted> {
  const onExamples = (done: number): void => report(`${done} of ${truth.classes.length} examples`);
  return withRunner(model, (runner) => predict(runner, { data: model.data, truth, readRows, onExamples }));
}

function assess(truth: Truth, found: Predicted, base?: Predicted): MeasuredModel {
  if ('problem' in found) return found;
  return { quality: qualityOf(truth, found.predictions, base && predictionsOf(base)) };
}

function compare(truth: Truth, reference: Predicted, candidate: Predicted): Candidate['versusBase'] {
  const models = { reference: predictionsOf(reference), candidate: predictionsOf(candidate) };
  if (!models.reference || !models.candidate) return undefined;
  return compareModels(truth, { reference: models.reference, candidate: models.candidate });
}

function predictionsOf(found: Predicted): Predictions | undefined {
  return 'predictions' in found ? found.predictions : undefined;
}
