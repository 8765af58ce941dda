import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { expect } from 'vitest';

/** Whether there is a Python to run the second decoder. */
export const isThere = spawnSync('python3', ['--version']).status === 0;

/**
 * Runs the second decoder, `decode`, which was written from FORMAT.md alone: what it reads as the package
 * does, the page says.
 *
 * @param folders each with `payload.ndiff` and `facts.json`
 * @returns for each what it makes, or `refused` with the code and why
 */
export function decodeAll(folders: readonly string[]): string[] {
  const decoder = join(import.meta.dirname, 'decode');
  const { stdout, stderr } = spawnSync('python3', ['-B', decoder, ...folders], { encoding: 'utf8' });
  expect(stderr).toBe('');
  const lines = stdout.trimEnd().split('\n');
  expect(lines).toHaveLength(folders.length);
  return lines.map((line) => line.split('\t')[1] as string);
}

/** @returns what the second decoder must print for a payload that makes files */
export function lineOf(
  fingerprint: string,
  files: Iterable<readonly [path: string, bytes: Uint8Array]>,
): string {
  const described = Array.from(files, ([path, bytes]) => {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return { path, sha256 };
  });
  return JSON.stringify({ fingerprint, files: described });
}
