import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from './run-program.js';

/** Two files to diff with another program. */
export interface FilePair {
  readonly base: string;
  readonly next: string;
  /** Folder for the output of programs. */
  readonly folder: string;
}

/** Another diff program and its arguments. */
interface Differ {
  readonly name: string;
  readonly command: string;
  args(pair: FilePair, out: string): string[];
  /** Whether it writes the update to standard output. */
  readonly isPrinted?: boolean;
}

const DIFFERS: readonly Differ[] = [
  { name: 'bsdiff', command: 'bsdiff', args: ({ base, next }, out) => [base, next, out] },
  {
    name: 'xdelta3 -9',
    command: 'xdelta3',
    args: ({ base, next }, out) => ['-9', '-S', 'lzma', '-f', '-e', '-s', base, next, out],
  },
  {
    name: 'zstd --patch-from',
    command: 'zstd',
    args: ({ base, next }, out) => [
      '-q',
      '-f',
      '--ultra',
      '-22',
      '--long=31',
      `--patch-from=${base}`,
      next,
      '-o',
      out,
    ],
  },
  {
    name: 'brotli -q 11',
    command: 'brotli',
    args: ({ next }, out) => ['-f', '-q', '11', '-w', '24', '-o', out, next],
  },
  { name: 'xz -9e', command: 'xz', args: ({ next }) => ['-9e', '-k', '-c', next], isPrinted: true },
];

/** Names of the programs, in the order they are run. */
export const BYTE_DIFFERS: readonly string[] = DIFFERS.map(({ name }) => name);

/** Time limit of a program, in seconds: some need minutes for a hundred megabytes. */
const MAX_SECONDS = 600;

/** The result of a program. */
export type ByteDiff =
  | { readonly name: string; readonly bytes: number; readonly seconds: number }
  | { readonly name: string; readonly problem: 'not installed' | 'failed' | 'too slow' };

/**
 * Makes an update with another program.
 *
 * @param name one of `BYTE_DIFFERS`
 * @throws the signal's reason
 */
export async function runByteDiffer(name: string, pair: FilePair, signal?: AbortSignal): Promise<ByteDiff> {
  const differ = DIFFERS.find((each) => each.name === name);
  if (differ === undefined) throw new RangeError(`Cannot run "${name}": expected one of ${BYTE_DIFFERS}`);
  const { command, args, isPrinted = false } = differ;
  const out = join(pair.folder, 'update');
  const start = performance.now();
  let printed = 0;
  const end = await runProgram(command, args(pair, out), {
    signal,
    seconds: MAX_SECONDS,
    onOutput: (bytes) => {
      printed += bytes.length;
    },
  });
  const seconds = (performance.now() - start) / 1000;
  if (end === 'not-installed') return { name, problem: 'not installed' };
  if (end !== 'done') return { name, problem: end === 'failed' ? 'failed' : 'too slow' };
  return { name, bytes: isPrinted ? printed : (await stat(out)).size, seconds };
}
