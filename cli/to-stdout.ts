import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readWhole } from '../src/node/read-whole.js';
import { MAX_HELD_BYTES } from '../src/payload/byte-source.js';
import { UsageError } from './exit-codes.js';
import type { Io } from './io.js';

/**
 * Runs a command with a temporary file as its output, and writes that to stdout if the command succeeds. What
 * the command prints goes to stderr.
 *
 * @param run the command, with the path of its output
 * @returns its exit status
 * @throws UsageError for a terminal, and with `--json`
 * @throws NeuralDiffError `limit-exceeded` for a file above 1 GiB
 */
export async function writeToStdout(
  run: (out: string, io: Io) => Promise<number>,
  { json, io }: { readonly json: boolean; readonly io: Io },
): Promise<number> {
  if (json) throw new UsageError('Cannot use --json with -o -: both write to stdout');
  if (process.stdout.isTTY) throw new UsageError('Cannot write a file to a terminal: redirect stdout');
  const folder = await mkdtemp(join(tmpdir(), 'neural-diff-out-'));
  const path = join(folder, 'stdout');
  try {
    const say = (text: string | Uint8Array): void => io.err(String(text).replaceAll(path, 'stdout'));
    const status = await run(path, { ...io, columns: io.columns, out: say, err: say });
    const isWritten = await stat(path).then(
      () => true,
      () => false,
    );
    if (isWritten) io.out(await readWhole(path, MAX_HELD_BYTES));
    return status;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
