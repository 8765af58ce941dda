import type { JobState } from './use-job.js';

/** What the phases of jobs are called. */
const PHASES: Readonly<Record<string, string>> = {
  tensors: 'Comparing tensors',
  compare: 'Reading both models',
  match: 'Matching tensors',
  cast: 'Comparing casts',
  choose: 'Choosing codes',
  encode: 'Encoding',
  check: 'Checking the payload',
  write: 'Writing the copy',
  verify: 'Reading the copy back',
  compress: 'Trying other compressors',
};

/** Shows how far a job is, or what went wrong; screen readers hear it. */
export function JobStatus({ state, idle }: { state: JobState; idle: string }) {
  const { isBusy, progress, problem } = state;
  const share = progress && progress.total > 0 ? progress.done / progress.total : undefined;
  const phase = progress && (PHASES[progress.phase] ?? progress.phase);
  return (
    <div class="job-status">
      {isBusy && <progress aria-label="Progress" {...(share !== undefined && { value: share })} max={1} />}
      <p role="status" aria-live="polite" class={problem ? 'problem' : ''}>
        {isBusy
          ? `${phase ?? 'Working'}${share === undefined ? '' : `, ${Math.round(100 * share)} %`}`
          : (problem ?? idle)}
      </p>
    </div>
  );
}
