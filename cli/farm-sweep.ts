import { join } from 'node:path';
import { writeInto } from '../src/node/output.js';
import { jobId } from '../src/recipe/farm/job-spec.js';
import { packJobs } from '../src/recipe/farm/pack-job.js';
import { openStore } from './farm-store.js';
import type { Cell } from './sweep-grid.js';
import { readVersion } from './version.js';

/** Writes a file for each job that `job run` takes. @returns their paths */
export async function writeJobs(
  cells: readonly Cell[],
  { out, store }: { out: string; store: string },
): Promise<string[]> {
  const jobs = cells.map(({ job }) => job);
  const specs = await packJobs(jobs, { store: await openStore(store), version: readVersion() });
  const files: string[] = [];
  for (const [i, spec] of specs.entries()) {
    const name = (cells[i] as Cell).file.replace(/\.ndiff$/, '.job.json');
    const text = JSON.stringify({ id: jobId(spec), ...spec }, null, 2);
    await writeInto(out, name, new TextEncoder().encode(`${text}\n`));
    files.push(join(out, name));
  }
  return files;
}
