import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Outcome } from './command.js';

const RUN = pathToFileURL(join(import.meta.dirname, '..', '..', 'dist', 'cli', 'run.js')).href;

/** Runs the program in the test's own process, whose system calls the test may replace. */
export async function runHere(...args: string[]): Promise<Outcome> {
  const { runCli } = (await import(/* @vite-ignore */ RUN)) as typeof import('../../cli/run.js');
  const text = { stdout: '', stderr: '' };
  const io = {
    out: (piece: string): void => {
      text.stdout += piece;
    },
    err: (piece: string): void => {
      text.stderr += piece;
    },
    isTerminal: false,
    signal: new AbortController().signal,
    now: () => performance.now(),
  };
  const status = await runCli(args, io);
  return { status, ...text };
}
