import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Milliseconds between two looks at a program's memory; what it takes in its last ones is missed. */
const POLL_MS = 5;

/** What a program took. */
export interface Run {
  readonly seconds: number;
  /** Most memory that was resident at once; null where the system does not say. */
  readonly peakBytes: number | null;
}

/**
 * Runs a program to its end.
 *
 * @returns what it took; null where it is not installed or fails
 */
export async function timeProgram(
  command: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<Run | null> {
  signal.throwIfAborted();
  const start = performance.now();
  let peakBytes: number | null = null;
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], signal });
  const errors: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  const poll = setInterval(() => {
    peakBytes = peakOf(child.pid) ?? peakBytes;
  }, POLL_MS);
  const status = await new Promise((resolve) => child.on('error', resolve).on('close', resolve));
  clearInterval(poll);
  signal.throwIfAborted();
  const seconds = (performance.now() - start) / 1000;
  if (status === 0) return { seconds, peakBytes };
  process.stderr.write(`${command}: ${status} ${Buffer.concat(errors)}\n`);
  return null;
}

/** The peak of a process alone: `ru_maxrss` begins with that of the process which started it. */
function peakOf(pid: number | undefined): number | undefined {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return kilobytes === undefined ? undefined : 1_024 * Number(kilobytes);
  } catch {
    return undefined;
  }
}
