import * as tf from '@tensorflow/tfjs';
import { openBase } from '../../recipe/open-base.js';
import { type Recipe, runRecipeStream } from '../../recipe/recipe.js';
import { loadModel } from '../../tfjs/layers-files.js';
import { assessStreams, type Streaming, type StreamResult } from '../streaming.js';
import type { LiveModel } from './open-runner.js';
import type { Steps } from './steps.js';

/** Streams of a recipe, and what runs models on them. */
export interface StreamJob {
  /** Path of the recipe module. */
  readonly recipe: string;
  readonly stream: NonNullable<Recipe['stream']>;
  readonly seed: number;
}

/** What was measured of models on streams. */
export interface MeasuredStreams {
  /** Absent if no model was measured. */
  readonly streaming?: Streaming;
  /** For each model a result for each thread; undefined for models that are no LayersModels. */
  readonly results: readonly (readonly StreamResult[] | undefined)[];
}

/**
 * Runs each model once for each thread on the streams of a recipe, one after the other.
 *
 * @throws NeuralDiffError `recipe-failed`, `recipe-invalid`, those of a model on disk; the signal's reason
 */
export async function measureStreams(
  models: readonly { readonly name: string; readonly model: LiveModel }[],
  job: StreamJob,
  steps: Steps,
): Promise<MeasuredStreams> {
  const { frameSeconds, threads } = job.stream;
  const branches = Object.entries(job.stream.branches).map(([name, flops]) => ({ name, flops }));
  const streaming = { frameSeconds, branches, threads: [...threads] };
  const results: MeasuredStreams['results'][number][] = [];
  for (const { name, model } of models) {
    const doing = `running streams with ${name}`;
    results.push(await steps.run(doing, () => measureModel(model, { ...job, streaming }, steps)));
  }
  return { ...(results.some((result) => result !== undefined) && { streaming }), results };
}

async function measureModel(
  model: LiveModel,
  { recipe, stream, seed, streaming }: StreamJob & { readonly streaming: Streaming },
  steps: Steps,
): Promise<StreamResult[] | undefined> {
  const live = await loadLayers(model);
  if (live === undefined) return undefined;
  const signal = steps.signal ?? new AbortController().signal;
  try {
    const results: StreamResult[] = [];
    for (const flopsPerSecond of streaming.threads) {
      steps.signal?.throwIfAborted();
      const context = { tf, model: live, flopsPerSecond, seed, signal };
      const routed = await runRecipeStream(recipe, stream, context);
      results.push(assessStreams(streaming, { ...routed, flopsPerSecond }));
    }
    return results;
  } finally {
    live.dispose();
  }
}

/** @returns the model as it is on devices; undefined if it is no LayersModel */
async function loadLayers(model: LiveModel): Promise<tf.LayersModel | undefined> {
  const { kind, files, file, store } = await openBase(model);
  try {
    return kind === 'layers-model' ? await loadModel(files, file) : undefined;
  } finally {
    await store.close();
  }
}
