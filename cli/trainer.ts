import type { Farm } from '../src/recipe/farm/await-jobs.js';
import { packJobs } from '../src/recipe/farm/pack-job.js';
import { JobQueue } from '../src/recipe/farm/queue.js';
import { type FarmJob, queueJobs } from '../src/recipe/farm/queue-jobs.js';
import type { TrainingJob } from '../src/recipe/job.js';
import { createThreadTrainer, type Trainer } from '../src/recipe/sweep/trainer.js';
import type { CommonFlags, Flags } from './command.js';
import { UsageError } from './exit-codes.js';
import { openStore } from './farm-store.js';
import { STORE } from './flags.js';
import { type Io, remark } from './io.js';
import { checkWorkers } from './values.js';
import { readVersion } from './version.js';

/** Flags of a command that trains diffs, in threads or on a farm. */
export const TRAINER_FLAGS = {
  queue: {
    type: 'string',
    placeholder: 'url',
    description: 'Train on the workers of a farm: redis://host:6379; needs --store',
  },
  store: { ...STORE, description: `With --queue: ${STORE.description.toLowerCase()}` },
} as const satisfies Flags;

/** Values of the flags that say where diffs are trained. */
export interface TrainerFlags {
  readonly queue?: string | undefined;
  readonly store?: string | undefined;
  readonly workers?: number | undefined;
}

/** What trains the diffs of a command. */
export interface OpenTrainer {
  readonly train: Trainer;
  /** Ends the connection to a farm. */
  close(): Promise<void>;
}

/**
 * Checks the flags that say where diffs are trained.
 *
 * @throws UsageError for flags that do not go together; RangeError for a number of workers
 */
export function checkTrainer({ queue, store, workers }: TrainerFlags): void {
  if (queue !== undefined && store === undefined) throw new UsageError('Expected --store with --queue');
  if (queue === undefined && store !== undefined) throw new UsageError('Expected --queue with --store');
  if (queue !== undefined && workers !== undefined)
    throw new UsageError('Expected no --workers with --queue: those of the farm set how many jobs they run');
  checkWorkers(workers);
}

/**
 * Connects to the farm that flags name, and remarks if it has no workers.
 *
 * @returns undefined without `--queue`
 * @throws as `openStore` and `JobQueue.connect`
 */
export async function openFarm(flags: TrainerFlags & CommonFlags, io: Io): Promise<Farm | undefined> {
  if (flags.queue === undefined) return undefined;
  const store = await openStore(flags.store as string);
  const queue = await JobQueue.connect(flags.queue);
  if ((await queue.workers()).length === 0)
    remark(io, flags, 'the queue has no workers yet: start some with neural-diff farm worker');
  return { queue, store, signal: io.signal };
}

/** Turns flags into what trains: threads of this process, or a farm, to which the first job connects. */
export function openTrainer(flags: TrainerFlags & CommonFlags, io: Io): OpenTrainer {
  const { workers, queue: url } = flags;
  const { signal } = io;
  if (url === undefined) return { train: createThreadTrainer({ workers, signal }), close: async () => {} };
  let farm: Farm | undefined;
  return {
    async train(jobs, callbacks) {
      if (jobs.length === 0) return;
      farm ??= (await openFarm(flags, io)) as Farm;
      const specs = await packJobs(jobs, { store: farm.store, version: readVersion() });
      const packed = specs.map((spec, i): FarmJob => ({ job: jobs[i] as TrainingJob, spec }));
      await queueJobs(packed, { ...callbacks, ...farm });
    },
    close: async () => farm?.queue.close(),
  };
}
