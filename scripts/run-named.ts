import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Folder of the build. */
export const DIST = join(import.meta.dirname, '..');

/** Programs that one npm script starts by their names. */
export interface NamedPrograms {
  /** The npm script: `bench`. */
  readonly script: string;
  /**
   * Name of each program to its file in the build, relative to `dist`; files that are missing are left out.
   */
  readonly programs: Readonly<Record<string, string>>;
  /** Program that runs when the first argument is missing or a flag. */
  readonly defaultName?: string;
}

/**
 * Runs the program that the first argument names, in this process: its flags, exit status and signals are its
 * own.
 * A name that is missing or unknown is answered with the list of names and exit status 2.
 */
export async function runNamed({ script, programs, defaultName }: NamedPrograms): Promise<void> {
  const [first, ...others] = process.argv.slice(2);
  const isNamed = first !== undefined && !first.startsWith('-');
  const name = isNamed ? first : defaultName;
  const names = Object.keys(programs).filter((key) => existsSync(join(DIST, programs[key]!)));
  if (name === undefined || !names.includes(name)) {
    const problem = isNamed ? `Unknown name "${first}"` : 'Expected a name';
    process.stderr.write(`${problem}: npm run ${script} -- NAME, one of ${names.join(', ')}\n`);
    process.exitCode = 2;
    return;
  }
  const path = join(DIST, programs[name]!);
  process.argv = [process.argv[0]!, path, ...(isNamed ? others : process.argv.slice(2))];
  await import(pathToFileURL(path).href);
}
