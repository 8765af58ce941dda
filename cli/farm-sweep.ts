import { join } from 'node:path';
import { writeInto } from '../src/node/output.js';
import { jobId } from '../src/recipe/farm/job-spec.js';
import { packJobs } from '../src/recipe/farm/pack-job.js';
import { JobQueue } from '../src/recipe/farm/queue.js';
import { type FarmJob, type QueueJobsOptions, queueJobs } from '../src/recipe/farm/queue-jobs.js';
import { FarmStore } from '../src/recipe/farm/store.js';
import type { TrainingJob } from '../src/recipe/job.js';
import type { Cell } from './sweep-grid.js';
import { readVersion } from './version.js';

/** Who is told of the steps and outcomes of a sweep. */
export type SweepCallbacks = Pick<QueueJobsOptions, 'onStep' | 'onOutcome'>;

/** Trains the jobs of a sweep on the workers of a farm. */
export async function trainOnFarm(
  jobs: readonly TrainingJob[],
  options: SweepCallbacks & { readonly queue: string; readonly store: string; readonly signal: AbortSignal },
): Promise<void> {
  if (jobs.length === 0) return;
  const store = new FarmStore(options.store);
  const queue = await JobQueue.connect(options.queue);
  try {
    const specs = await packJobs(jobs, { store, version: readVersion() });
    const packed = specs.map((spec, i): FarmJob => ({ job: jobs[i] as TrainingJob, spec }));
    await queueJobs(packed, { ...options, store, queue });
  } finally {
    await queue.close();
  }
}

/** Writes a file for each job that `job run` takes. @returns their paths */
export async function writeJobs(
  cells: readonly Cell[],
  { out, store }: { out: string; store: string },
): Promise<string[]> {
  const jobs = cells.map(({ job }) => job);
  const specs = await packJobs(jobs, { store: new FarmStore(store), version: readVersion() });
  const files: string[] = [];
  for (const [i, spec] of specs.entries()) {
    const name = (cells[i] as Cell).file.replace(/\.ndiff$/, '.job.json');
    const text = JSON.stringify({ id: jobId(spec), ...spec }, null, 2);
    await writeInto(out, name, new TextEncoder().encode(`${text}\n`));
    files.push(join(out, name));
  }
  return files;
}
