import { fileURLToPath } from 'node:url';
import { deserialize, serialize } from 'node:v8';
import { awaitJobs, type Farm } from '../../recipe/farm/await-jobs.js';
import type { PredictSpec } from '../../recipe/farm/job-spec.js';
import { packModels, packRecipe } from '../../recipe/farm/pack-job.js';
import type { JobResult } from '../../recipe/farm/store.js';
import type { BaseModel } from '../../recipe/open-base.js';
import type { Truth } from '../assess.js';
import type { AccuracyJob } from './load-examples.js';
import type { Predicted } from './predict.js';

/** The module whose threads predict. */
export const PREDICT_WORKER = fileURLToPath(new URL('./predict-worker.js', import.meta.url));

/** What all models of a report are measured on, and by what. */
export interface PredictSetting extends Pick<AccuracyJob, 'recipe' | 'seed' | 'backend'> {
  readonly truth: Truth;
  readonly runtime: string;
}

/** Runs models on all examples, on other machines. @returns for each model what waits for its predictions */
export type PredictElsewhere = (
  models: readonly Pick<BaseModel, 'base' | 'chain'>[],
  setting: PredictSetting,
) => Promise<readonly (() => Promise<Predicted>)[]>;

/** @returns what predicts on the workers of a farm; models that were measured before are not run again */
export function farmPredictions(farm: Farm, version: string): PredictElsewhere {
  return async (models, { recipe, truth, seed, backend, runtime }) => {
    const { store } = farm;
    const about = { format: 'neural-diff job', version: 1, package: version, type: 'predict' } as const;
    const files = { recipe: await packRecipe(recipe, store), truth: await store.put(serialize(truth)) };
    const bases = await packModels(models, store);
    const specs = bases.map((base): PredictSpec => ({ ...about, seed, backend, runtime, ...files, base }));
    const waiting = specs.map(createWaiting);
    const all = awaitJobs(specs, {
      ...farm,
      async onResult(result, places) {
        for (const place of places) waiting[place]?.end(result);
      },
    });
    all.catch((error) => {
      for (const { end } of waiting) end(error as Error);
    });
    return waiting.map(
      ({ ended }) =>
        async () =>
          deserialize(await store.get((await ended).product)),
    );
  };
}

/** @returns a promise, and what settles it */
function createWaiting(): { readonly ended: Promise<JobResult>; end(result: JobResult | Error): void } {
  let end: (result: JobResult | Error) => void = () => {};
  const ended = new Promise<JobResult>((resolve, reject) => {
    end = (result) => (result instanceof Error ? reject(result) : resolve(result));
  });
  // Those that are not waited for yet.
  ended.catch(() => {});
  return { ended, end };
}
