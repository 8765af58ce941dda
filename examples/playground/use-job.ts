import { useRef, useState } from 'preact/hooks';
import type { EpochRow, Job, JobProgress, Results } from './jobs.js';
import { runJob } from './run-job.js';

/** What a job of the page is doing. */
export interface JobState {
  readonly isBusy: boolean;
  readonly progress?: JobProgress | undefined;
  /** What went wrong, for people. */
  readonly problem?: string | undefined;
}

/** Runs the jobs of a part of the page, one at a time. */
export function useJob() {
  const [state, setState] = useState<JobState>({ isBusy: false });
  const abort = useRef<AbortController | undefined>(undefined);
  const run = async <T extends Job['type']>(
    job: Extract<Job, { type: T }>,
    onEpoch?: (epoch: EpochRow) => void,
  ): Promise<Results[T] | undefined> => {
    abort.current = new AbortController();
    setState({ isBusy: true });
    try {
      const onProgress = (progress: JobProgress): void => setState({ isBusy: true, progress });
      const result = await runJob<T>(job, abort.current.signal, { onProgress, ...(onEpoch && { onEpoch }) });
      setState({ isBusy: false });
      return result;
    } catch (error) {
      const isCancelled = abort.current.signal.aborted;
      setState({ isBusy: false, problem: isCancelled ? 'Cancelled.' : (error as Error).message });
      return undefined;
    }
  };
  return { state, run, cancel: () => abort.current?.abort() };
}
