import { join } from 'node:path';
import { writeInto } from '../src/node/output.js';
import { fineTuneSpec, type JobSpec, jobId } from '../src/recipe/farm/job-spec.js';
import { packJobs } from '../src/recipe/farm/pack-job.js';
import { type Scheduler, writeWorkflow } from './emit-workflow.js';
import { openStore, storeEnv } from './farm-store.js';
import type { Cell } from './sweep-grid.js';
import { readVersion } from './version.js';

/**
 * Writes a file for each job that `job run` takes; for a scheduler, also those of the full fine-tunes, and a
 * workflow.
 *
 * @returns the paths of the jobs' files, and lines for people: what to run
 */
export async function emitJobs(
  cells: readonly Cell[],
  { out, store, emit }: { readonly out: string; readonly store: string; readonly emit: 'jobs' | Scheduler },
): Promise<{ files: readonly string[]; workflow?: string; start: readonly string[] }> {
  if (cells.length === 0) return { files: [], start: [] };
  const version = readVersion();
  const jobs = cells.map(({ job }) => job);
  const specs = await packJobs(jobs, { store: await openStore(store), version });
  const named = specs.map((spec, i) => ({ name: (cells[i] as Cell).file.replace(/\.ndiff$/, ''), spec }));
  if (emit === 'jobs') {
    const files = await writeJobs(named, out);
    return { files, start: files.map((file) => `neural-diff job run ${file} --store ${store} -o RESULT`) };
  }
  const teachers = new Map<string, JobSpec>();
  const list = named.map(({ name, spec }) => {
    const teacher = fineTuneSpec(spec);
    const after = teacher && `fine-tune-seed${teacher.seed}`;
    if (teacher && after) teachers.set(after, teacher);
    return { name, after };
  });
  const { name, text, start } = writeWorkflow(emit, {
    jobs: list,
    out,
    store,
    version,
    env: storeEnv(store),
  });
  const files = await writeJobs([...[...teachers].map(([name, spec]) => ({ name, spec })), ...named], out);
  await writeInto(out, name, new TextEncoder().encode(text));
  return { files, workflow: join(out, name), start };
}

async function writeJobs(jobs: readonly { name: string; spec: JobSpec }[], out: string): Promise<string[]> {
  const files: string[] = [];
  for (const { name, spec } of jobs) {
    const text = JSON.stringify({ id: jobId(spec), ...spec }, null, 2);
    await writeInto(out, `${name}.job.json`, new TextEncoder().encode(`${text}\n`));
    files.push(join(out, `${name}.job.json`));
  }
  return files;
}
