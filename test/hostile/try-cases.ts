import { Worker } from 'node:worker_threads';
import { NeuralDiffError } from '../../src/model/errors.js';

/** One hostile input. */
export interface HostileCase {
  readonly name: string;
  /** Gives the input to the reader; must return, or throw a `NeuralDiffError`. */
  readonly run: () => unknown;
}

/** What became of the cases. */
export interface CaseCounts {
  readonly cases: number;
  readonly accepted: number;
  /** Number of refusals by code. */
  readonly refused: Readonly<Record<string, number>>;
  readonly slowestMs: number;
}

/** Bytes that the process may take next to what it had before. */
const MEMORY_CEILING = 128e6;

/** Cases between two looks at the memory. */
const MEMORY_PERIOD = 1_000;

/**
 * Tries case after case. Prints the counts.
 *
 * A case that blocks the thread for longer than its limit, which no timer of this thread would see, ends the
 * process: another thread measures the time.
 *
 * @param title what is tried, for the output
 * @param limitMs time limit of every single case
 * @throws an error that is not typed, a case that took too long, or memory above the ceiling, with the case's
 *   name
 */
export async function tryCases(
  title: string,
  cases: Iterable<HostileCase> | AsyncIterable<HostileCase>,
  { limitMs = 2_000, memory = MEMORY_CEILING } = {},
): Promise<CaseCounts> {
  const watchdog = startWatchdog(title, limitMs);
  const counts = { cases: 0, accepted: 0, refused: {} as Record<string, number>, slowestMs: 0 };
  const before = heldBytes();
  try {
    for await (const each of cases) {
      watchdog.begin(counts.cases);
      const start = performance.now();
      const code = await outcomeOf(each);
      const ms = performance.now() - start;
      watchdog.end();
      if (ms > limitMs)
        throw new Error(`${title}, "${each.name}": ${Math.round(ms)} ms, limit ${limitMs} ms`);
      if (code === undefined) counts.accepted++;
      else counts.refused[code] = (counts.refused[code] ?? 0) + 1;
      counts.slowestMs = Math.max(counts.slowestMs, ms);
      if (counts.cases++ % MEMORY_PERIOD === 0 && heldBytes() - before > memory)
        throw new Error(`${title}, "${each.name}": ${heldBytes() - before} bytes more than before`);
    }
  } finally {
    await watchdog.stop();
  }
  const slowestMs = Math.round(counts.slowestMs);
  process.stderr.write(`${title}: ${JSON.stringify({ ...counts, slowestMs })}\n`);
  return counts;
}

/** @returns the code of the refusal; undefined for an accepted input */
async function outcomeOf({ name, run }: HostileCase): Promise<string | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    if (error instanceof NeuralDiffError) return error.code;
    throw new Error(`"${name}" threw an error without a code`, { cause: error });
  }
}

function heldBytes(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** Kills the process when a case has run for twice its limit: then its thread is stuck. */
const WATCHDOG = `
const { workerData: { shared, title, limitMs } } = require('node:worker_threads');
const [number, CASE, RUNNING] = [new Int32Array(shared), 0, 1];
let seen = -1, since = 0;
setInterval(() => {
  const now = performance.now();
  const current = Atomics.load(number, CASE);
  if (Atomics.load(number, RUNNING) === 0 || current !== seen) [seen, since] = [current, now];
  else if (now - since > 2 * limitMs) {
    require('node:fs').writeSync(2, title + ': case ' + current + ' blocks the thread\\n');
    process.kill(process.pid, 'SIGKILL');
  }
}, 50);
`;

function startWatchdog(title: string, limitMs: number) {
  const shared = new SharedArrayBuffer(8);
  const state = new Int32Array(shared);
  const worker = new Worker(WATCHDOG, { eval: true, workerData: { shared, title, limitMs } });
  return {
    begin(number: number) {
      Atomics.store(state, 0, number);
      Atomics.store(state, 1, 1);
    },
    end: () => Atomics.store(state, 1, 0),
    stop: () => worker.terminate(),
  };
}
