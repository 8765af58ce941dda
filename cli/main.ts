#!/usr/bin/env node
import { EXIT } from './exit-codes.js';
import { runCli } from './run.js';

/** Milliseconds in which a command that failed ends by itself. */
const LINGER_MS = 1000;

const stop = new AbortController();

/** Asks to stop at the first signal; the second ends the process, where a recipe does not listen. */
function interrupt(): void {
  if (stop.signal.aborted) process.exit(EXIT.interrupted);
  stop.abort(new DOMException('Interrupted', 'AbortError'));
}

/** Ignores that the reader of the output has ended, as in `info | head`. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

process.stdout.on('error', ignoreClosedPipe);
process.stderr.on('error', ignoreClosedPipe);
process.on('SIGINT', interrupt);
process.on('SIGTERM', interrupt);

const writeData = process.stdout.write.bind(process.stdout);
// What a recipe prints must not mix with the data that scripts read.
process.stdout.write = process.stderr.write.bind(process.stderr);

const status = await runCli(process.argv.slice(2), {
  out: (data) => writeData(data),
  err: (text) => process.stderr.write(text),
  isTerminal: process.stderr.isTTY === true,
  get columns() {
    return process.stderr.columns;
  },
  signal: stop.signal,
  now: () => performance.now(),
});

process.exitCode = status;
// Work that a recipe left running must not keep an interrupted command alive, nor one that failed for long.
if (stop.signal.aborted) process.exit(status);
if (status !== EXIT.done) setTimeout(() => process.exit(status), LINGER_MS).unref();
