import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';

/** Two files that another program is to make an update of. */
export interface FilePair {
  readonly base: string;
  readonly next: string;
  /** Folder for what programs write. */
  readonly folder: string;
}

/** Another program, and how it makes an update file. */
interface Tool {
  readonly name: string;
  readonly command: string;
  args(pair: FilePair, out: string): string[];
  /** Whether its standard output is the update. */
  readonly isPrinted?: boolean;
}

const TOOLS: readonly Tool[] = [
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

/** What a program came to; null where it is not installed. */
export interface ToolResult {
  readonly tool: string;
  readonly bytes: number | null;
  readonly seconds: number | null;
}

/** Runs every program on two files. */
export function runTools(pair: FilePair): ToolResult[] {
  return TOOLS.map(({ name: tool, command, args, isPrinted }) => {
    const out = join(pair.folder, 'update');
    const start = performance.now();
    const { error, status, stdout } = spawnSync(command, args(pair, out), { maxBuffer: 2 ** 31 });
    if (error || status !== 0) return { tool, bytes: null, seconds: null };
    const bytes = isPrinted ? stdout.length : statSync(out).size;
    return { tool, bytes, seconds: (performance.now() - start) / 1000 };
  });
}
