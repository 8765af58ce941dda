#!/usr/bin/env node
import { hideBin } from 'yargs/helpers';
import { runCli } from './run.js';

const stop = new AbortController();
process.on('SIGINT', () => stop.abort(new DOMException('Interrupted', 'AbortError')));
process.on('SIGTERM', () => stop.abort(new DOMException('Terminated', 'AbortError')));

process.exitCode = await runCli(hideBin(process.argv), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  isTerminal: process.stderr.isTTY === true,
  signal: stop.signal,
  now: () => performance.now(),
});
