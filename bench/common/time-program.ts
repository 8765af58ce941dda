import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';

/** Milliseconds between two looks at a program; what it takes in its last ones is missed. */
const POLL_MS = 5;

/** Units of processor time in a second, in `/proc`. */
const TICKS = 100;

/** What a program took. */
export interface Run {
  readonly seconds: number;
  /** Seconds of all processors, those of programs that it started and waited for included; null as below. */
  readonly cpuSeconds: number | null;
  /** Most memory that was resident at once; null where the system does not say. */
  readonly peakBytes: number | null;
}

/** A program that was not installed, or what it said when it failed. */
export interface Failure {
  readonly problem: string;
}

/** How to run a program. */
export interface RunOptions {
  readonly signal?: AbortSignal;
  /** File for its standard output, which is dropped otherwise. */
  readonly output?: string;
}

/** Runs a program to its end. */
export async function timeProgram(
  command: string,
  args: readonly string[],
  { signal, output }: RunOptions = {},
): Promise<Run | Failure> {
  signal?.throwIfAborted();
  const start = performance.now();
  const most = { cpuSeconds: null as number | null, peakBytes: null as number | null };
  const into = output === undefined ? 'ignore' : openSync(output, 'w');
  const child = spawn(command, args, { stdio: ['ignore', into, 'pipe'], signal });
  if (into !== 'ignore') closeSync(into);
  const errors: Buffer[] = [];
  child.stderr?.on('data', (chunk: Buffer) => errors.push(chunk));
  const poll = setInterval(() => {
    most.peakBytes = peakOf(child.pid) ?? most.peakBytes;
    most.cpuSeconds = cpuOf(child.pid) ?? most.cpuSeconds;
  }, POLL_MS);
  const status = await new Promise((resolve) => child.on('error', resolve).on('close', resolve));
  clearInterval(poll);
  signal?.throwIfAborted();
  const seconds = (performance.now() - start) / 1000;
  if (status === 0) return { seconds, ...most };
  const isMissing = (status as NodeJS.ErrnoException | null)?.code === 'ENOENT';
  return { problem: isMissing ? 'not installed' : `exit status ${status}: ${Buffer.concat(errors)}`.trim() };
}

/** The peak of a process alone: `ru_maxrss` begins with that of the process which started it. */
function peakOf(pid: number | undefined): number | undefined {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readProcess(pid, 'status')) ?? [];
  return kilobytes === undefined ? undefined : 1_024 * Number(kilobytes);
}

/** Processor time of a process and of those that it waited for; see proc(5). */
function cpuOf(pid: number | undefined): number | undefined {
  // The name, in parentheses, may contain spaces; after it come state and ten numbers that are not needed.
  const fields = readProcess(pid, 'stat').split(') ').at(-1)?.split(' ') ?? [];
  const ticks = fields.slice(11, 15).map(Number);
  return ticks.length === 4 ? ticks.reduce((sum, each) => sum + each) / TICKS : undefined;
}

function readProcess(pid: number | undefined, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
