import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { withFileErrors } from '../../node/file-errors.js';
import type { Machine } from '../document.js';

/** How to run another program. */
export interface ProgramOptions {
  readonly signal?: AbortSignal | undefined;
  /** Time limit after which it is killed. */
  readonly seconds: number;
  /** Receives its standard output; ignored by default. */
  readonly onOutput?: (bytes: Uint8Array) => void;
}

/** How a program ended. */
export type ProgramEnd = 'done' | 'failed' | 'timed-out' | 'not-installed';

/**
 * Runs a program and waits until it has ended.
 *
 * @param command a path, or a name that is searched for on the system's path
 * @throws the signal's reason, after the program has been killed
 */
export async function runProgram(
  command: string,
  args: readonly string[],
  { signal, seconds, onOutput }: ProgramOptions,
): Promise<ProgramEnd> {
  signal?.throwIfAborted();
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  child.stdout.on('data', (bytes: Uint8Array) => onOutput?.(bytes));
  let isLate = false;
  const stop = (): void => void child.kill('SIGKILL');
  const timer = setTimeout(() => {
    isLate = true;
    stop();
  }, seconds * 1000);
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const end = await new Promise<ProgramEnd>((resolve) => {
      child.once('error', ({ code }: NodeJS.ErrnoException) =>
        resolve(code === 'ENOENT' ? 'not-installed' : 'failed'),
      );
      child.once('close', (status) => resolve(status === 0 ? 'done' : 'failed'));
    });
    signal?.throwIfAborted();
    return isLate ? 'timed-out' : end;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}

/** @returns a description of this machine */
export function describeMachine(): Machine {
  const all = cpus();
  return {
    cpu: all[0]?.model ?? 'unknown',
    cores: all.length,
    node: process.version,
    memoryBytes: totalmem(),
  };
}

/** Creates a temporary folder, calls a function with it, and removes it. */
export async function withTemporaryFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const start = join(tmpdir(), 'neural-diff-measure-');
  const folder = await withFileErrors(`Cannot create a folder in "${tmpdir()}"`, () => mkdtemp(start));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
