import type { Metrics } from '../../train/task.js';
import type { TrainingJob } from '../job.js';
import type { TrainerCallbacks } from '../sweep/trainer.js';
import type { SweptDiff } from '../sweep/worker.js';
import { awaitJobs, type Farm } from './await-jobs.js';
import { type DiffSpec, fineTuneSpec, jobId } from './job-spec.js';
import type { FarmStore, JobResult } from './store.js';

/** A job and its form for other machines. */
export interface FarmJob {
  readonly job: TrainingJob;
  readonly spec: DiffSpec;
}

/**
 * Trains diffs on the workers of a farm.
 *
 * @throws as `awaitJobs`
 */
export async function queueJobs(
  jobs: readonly FarmJob[],
  { onStep, onOutcome, onFineTune, ...farm }: Farm & TrainerCallbacks,
): Promise<void> {
  // Full fine-tunes of which the caller was told.
  const told = new Set<string>();
  const specs = jobs.map(({ spec }) => spec);
  await awaitJobs(specs, {
    ...farm,
    onStep,
    async onResult(result, places) {
      if (onFineTune)
        await tellFineTune(specs[places[0] as number] as DiffSpec, { ...farm, onFineTune, told });
      const diff = result instanceof Error ? undefined : await readDiff(farm.store, result);
      for (const place of places) {
        const { job } = jobs[place] as FarmJob;
        await onOutcome?.(
          diff ? { status: 'trained', job, diff } : { status: 'failed', job, error: result as Error },
          place,
        );
      }
    },
  });
}

/** Tells of the full fine-tune of a job, if there is one: it may be what failed. */
async function tellFineTune(
  spec: DiffSpec,
  {
    store,
    onFineTune,
    told,
  }: Pick<Farm, 'store'> & Required<Pick<TrainerCallbacks, 'onFineTune'>> & { told: Set<string> },
): Promise<void> {
  const teacher = fineTuneSpec(spec);
  if (teacher === undefined) return onFineTune(undefined);
  const id = jobId(teacher);
  if (told.has(id)) return;
  const result = await store.readResult(id);
  if (result === undefined) return;
  told.add(id);
  onFineTune(result.facts.metrics as Metrics);
}

/** @returns what a thread would make: it measures no epochs */
async function readDiff(store: FarmStore, { product, facts }: JobResult): Promise<SweptDiff> {
  const { epochs, ...found } = facts as unknown as SweptDiff;
  const plain = epochs.map(({ loss, state }) => ({ loss, state }));
  return { ...found, epochs: plain, payload: await store.get(product) };
}
