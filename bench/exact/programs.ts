import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { concatBytes, equalBytes } from '../../src/model/bytes.js';
import { type Failure, type Run, timeProgram } from '../common/time-program.js';

/** A model's files before and after; the main one comes first. */
export interface FilesPair {
  readonly name: string;
  readonly base: readonly string[];
  readonly next: readonly string[];
}

/** What a program made of a pair. */
export interface ProgramResult {
  readonly tool: string;
  readonly bytes: number | null;
  /** Seconds of all processors, and most memory at once; null where they are not known. */
  readonly encodeSeconds: number | null;
  readonly decodeSeconds: number | null;
  readonly encodePeakBytes: number | null;
  readonly decodePeakBytes: number | null;
  /** Why there is no result, or what is wrong with it. */
  readonly problem: string | null;
}

/** Paths that a program reads and writes; other programs than ours take several files as one. */
interface Paths {
  readonly base: string;
  readonly next: string;
  readonly mainBase: string;
  readonly mainNext: string;
  readonly update: string;
  readonly restored: string;
  /** For what lies between two commands. */
  readonly between: string;
  /** Bytes of most of the model's elements. */
  readonly step: number;
}

interface Command {
  readonly command: string;
  readonly args: readonly string[];
  readonly output?: string;
}

/** Commands that make an update, and those that apply it, one after the other. */
interface Way {
  readonly encode: readonly Command[];
  readonly decode: readonly Command[];
}

/** A program; of several ways the shortest update counts. */
interface Program {
  readonly name: string;
  ways(paths: Paths): readonly Way[];
  /** Whether it restores the next file in one piece, to be compared. */
  readonly isWhole?: boolean;
}

const MAIN = join(import.meta.dirname, '..', '..', 'cli', 'main.js');
const INT_DELTA = join(import.meta.dirname, 'int-delta-program.js');

/** Name of the rows of this package. */
export const OURS = 'neural-diff';

const node = (...args: string[]): Command => ({ command: process.execPath, args });

/** The usual setting of xz, and the one whose contexts are positions of bytes in elements. */
function xzSettings(step: number): string[] {
  const bits = Math.log2(step);
  const literals = bits > 1 ? 0 : 1;
  return ['-9e', ...(bits > 0 ? [`--lzma2=preset=9e,lc=${literals},lp=${bits},pb=${bits}`] : [])];
}

const xz = (setting: string, path: string, output: string): Command => {
  return { command: 'xz', args: [setting, '-T1', '-k', '-c', path], output };
};
const unxz = (path: string, output: string): Command => ({
  command: 'xz',
  args: ['-d', '-k', '-c', path],
  output,
});

const PROGRAMS: readonly Program[] = [
  {
    name: OURS,
    // New files are made where patched tensors do not give all of the next file.
    ways: ({ mainBase, mainNext, update, restored }) =>
      [[], ['--files']].map((flags) => ({
        encode: [node(MAIN, 'diff', mainBase, mainNext, '-o', update, '--quiet', ...flags)],
        decode: [node(MAIN, 'apply', mainBase, update, '-o', restored, '--quiet')],
      })),
  },
  {
    name: 'bsdiff',
    isWhole: true,
    ways: ({ base, next, update, restored }) => [
      {
        encode: [{ command: 'bsdiff', args: [base, next, update] }],
        decode: [{ command: 'bspatch', args: [base, restored, update] }],
      },
    ],
  },
  {
    name: 'xdelta3 -9',
    isWhole: true,
    ways: ({ base, next, update, restored }) => [
      {
        encode: [{ command: 'xdelta3', args: ['-9', '-S', 'lzma', '-f', '-e', '-s', base, next, update] }],
        decode: [{ command: 'xdelta3', args: ['-f', '-d', '-s', base, update, restored] }],
      },
    ],
  },
  {
    name: 'zstd --patch-from',
    isWhole: true,
    ways({ base, next, update, restored }) {
      const from = ['-q', '-f', '--long=31', `--patch-from=${base}`];
      return [
        {
          encode: [{ command: 'zstd', args: ['--ultra', '-22', ...from, next, '-o', update] }],
          decode: [{ command: 'zstd', args: ['-d', ...from, update, '-o', restored] }],
        },
      ];
    },
  },
  {
    name: 'brotli -q 11',
    isWhole: true,
    ways: ({ next, update, restored }) => [
      {
        encode: [{ command: 'brotli', args: ['-f', '-q', '11', '-w', '24', '-o', update, next] }],
        decode: [{ command: 'brotli', args: ['-d', '-f', '-o', restored, update] }],
      },
    ],
  },
  {
    name: 'xz -9e',
    isWhole: true,
    ways: ({ next, update, restored, step }) =>
      xzSettings(step).map((setting) => {
        return { encode: [xz(setting, next, update)], decode: [unxz(update, restored)] };
      }),
  },
  {
    name: 'int-delta + xz',
    ways({ mainBase, mainNext, update, restored, between, step }) {
      const [usual, positional] = xzSettings(step) as [string, string?];
      const way = (form: string, setting: string): Way => ({
        encode: [node(INT_DELTA, 'encode', mainBase, mainNext, between, form), xz(setting, between, update)],
        decode: [unxz(update, between), node(INT_DELTA, 'decode', mainBase, between, restored)],
      });
      return [way('split', usual), way('plain', positional ?? usual)];
    },
  },
];

/** How to run programs. */
interface MeasureOptions {
  /** For all that they write. */
  readonly folder: string;
  /** Bytes of most of the model's elements. */
  readonly step: number;
}

/** Runs all programs on a pair, one after the other. */
export async function runPrograms(
  { base, next }: FilesPair,
  { folder, step }: MeasureOptions,
): Promise<ProgramResult[]> {
  const at = (name: string): string => join(folder, name);
  const paths: Paths = {
    base: joinFiles(base, at('all-base')),
    next: joinFiles(next, at('all-next')),
    mainBase: base[0] as string,
    mainNext: next[0] as string,
    update: at('update'),
    restored: at('restored'),
    between: at('between'),
    step,
  };
  const results: ProgramResult[] = [];
  for (const program of PROGRAMS) {
    process.stderr.write(`  ${program.name}\n`);
    const made: ProgramResult[] = [];
    for (const way of program.ways(paths)) {
      for (const path of [paths.update, paths.restored]) rmSync(path, { recursive: true, force: true });
      const result = await runWay(program, way, paths);
      if (program.name !== OURS) made.push(result);
      else {
        const problem = result.problem ?? problemOf(paths.restored, next);
        made.splice(0, 1, { ...result, problem });
        if (problem === null) break;
      }
    }
    const shortest = (left: ProgramResult, right: ProgramResult): ProgramResult =>
      (right.bytes ?? Number.POSITIVE_INFINITY) < (left.bytes ?? Number.POSITIVE_INFINITY) ? right : left;
    results.push(made.reduce(shortest));
  }
  return results;
}

async function runWay({ name, isWhole }: Program, way: Way, paths: Paths): Promise<ProgramResult> {
  const encoded = await runCommands(way.encode);
  if ('problem' in encoded) return { ...NOTHING, tool: name, problem: encoded.problem };
  const bytes = statSync(paths.update).size;
  const made = {
    ...NOTHING,
    tool: name,
    bytes,
    encodeSeconds: encoded.cpuSeconds,
    encodePeakBytes: encoded.peakBytes,
  };
  const decoded = await runCommands(way.decode);
  if ('problem' in decoded) return { ...made, problem: decoded.problem };
  const isOther = isWhole && !equalBytes(readFileSync(paths.restored), readFileSync(paths.next));
  const problem = isOther ? 'restores another file' : null;
  return { ...made, decodeSeconds: decoded.cpuSeconds, decodePeakBytes: decoded.peakBytes, problem };
}

const NOTHING: Omit<ProgramResult, 'tool'> = {
  bytes: null,
  encodeSeconds: null,
  decodeSeconds: null,
  encodePeakBytes: null,
  decodePeakBytes: null,
  problem: null,
};

/** @returns the sum of the times, the largest memory */
async function runCommands(commands: readonly Command[]): Promise<Run | Failure> {
  const runs: Run[] = [];
  for (const { command, args, output } of commands) {
    const run = await timeProgram(command, args, output === undefined ? {} : { output });
    if ('problem' in run) return run;
    runs.push(run);
  }
  return runs.reduce((sum, run) => ({
    seconds: sum.seconds + run.seconds,
    cpuSeconds: both(sum.cpuSeconds, run.cpuSeconds, (a, b) => Number((a + b).toFixed(2))),
    peakBytes: both(sum.peakBytes, run.peakBytes, Math.max),
  }));
}

function both(a: number | null, b: number | null, join: (a: number, b: number) => number): number | null {
  return a === null || b === null ? null : join(a, b);
}

/** @returns what is wrong with restored files, which may be a folder with companions */
function problemOf(restored: string, next: readonly string[]): string | null {
  if (!existsSync(restored)) return null;
  const isFolder = statSync(restored).isDirectory();
  const isSame = (path: string): boolean => {
    const copy = isFolder ? join(restored, basename(path)) : restored;
    return existsSync(copy) && equalBytes(readFileSync(copy), readFileSync(path));
  };
  return next.every(isSame) ? null : 'restores the tensors, not the rest of the file';
}

/** @returns a file with the content of all, one behind the other */
function joinFiles(paths: readonly string[], into: string): string {
  if (paths.length === 1) return paths[0] as string;
  writeFileSync(into, concatBytes(paths.map((path) => readFileSync(path))));
  return into;
}
