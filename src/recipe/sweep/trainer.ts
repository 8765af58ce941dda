import type { FineTuned } from '../../train/fine-tune.js';
import type { Metrics } from '../../train/task.js';
import type { TrainingJob } from '../job.js';
import { type TrainManyOptions, trainMany } from './train-many.js';

/** Who is told how jobs go. */
export interface TrainerCallbacks extends Pick<TrainManyOptions, 'onStep' | 'onOutcome'> {
  /**
   * Called with the metrics of a full fine-tune before the outcomes of its diffs; those of one that was named
   * may be missing. With this, full fine-tunes are kept for the jobs of later calls.
   */
  readonly onFineTune?: (metrics: Metrics | undefined) => void;
}

/**
 * Trains diffs as `trainMany` does: in threads, or on other machines. The payloads have the same bytes.
 *
 * @throws what the callbacks throw; the reason of the signal that stops it
 */
export type Trainer = (jobs: readonly TrainingJob[], callbacks: TrainerCallbacks) => Promise<void>;

/** @returns what trains in threads of this process */
export function createThreadTrainer(options: Pick<TrainManyOptions, 'workers' | 'signal'>): Trainer {
  const full = new Map<string, FineTuned>();
  return async (jobs, { onFineTune, ...callbacks }) => {
    const fineTunes = onFineTune && {
      get: (key: string) => full.get(key),
      set: (key: string, trained: FineTuned) => {
        onFineTune(trained.metrics);
        return full.set(key, trained);
      },
    };
    await trainMany(jobs, { ...options, ...callbacks, ...(fineTunes && { fineTunes }) });
  };
}
