import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withFileErrors } from '../node/index.js';

/** Lets something use a new folder among the system's temporary files, and removes it whatever happened. */
export async function withTemporaryFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const start = join(tmpdir(), 'neural-diff-measure-');
  const folder = await withFileErrors(`Cannot make a folder in "${tmpdir()}"`, () => mkdtemp(start));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
