#!/usr/bin/env node
import { hideBin } from 'yargs/helpers';
import { EXIT } from './exit-codes.js';
import { runCli } from './run.js';

const stop = new AbortController();

/** The first signal asks; a recipe that does not listen is ended by the second. */
function interrupt(): void {
  if (stop.signal.aborted) process.exit(EXIT.interrupted);
  stop.abort(new DOMException('Interrupted', 'AbortError'));
}

process.on('SIGINT', interrupt);
process.on('SIGTERM', interrupt);

const status = await runCli(hideBin(process.argv), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  isTerminal: process.stderr.isTTY === true,
  signal: stop.signal,
  now: () => performance.now(),
});

process.exitCode = status;
// Whatever a recipe left running does not keep an interrupted command alive.
if (stop.signal.aborted) process.exit(status);
