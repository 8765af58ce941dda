import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A bench, as the comment at the head of its file describes it. */
export interface BenchHelp {
  readonly name: string;
  readonly text: string;
  /** Whether the bench answers `--help` itself. */
  readonly isOwn: boolean;
}

/** @returns the benches of a folder: every TypeScript file in it */
export function readBenches(folder: string): BenchHelp[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.ts'));
  return files.sort().map((file) => {
    const source = readFileSync(join(folder, file), 'utf8');
    const isOwn = /\b(readFlags|runTaskBench)\(|\bhelp: \{/.test(source);
    return { name: file.replace('.ts', ''), text: headOf(source), isOwn };
  });
}

/** @returns the text of the comment that a file begins with */
function headOf(source: string): string {
  const lines = source.split('\n');
  const end = lines.findIndex((line) => !line.startsWith('//'));
  return lines
    .slice(0, end)
    .map((line) => line.replace('//', '').trim())
    .join('\n');
}

/** @returns a list of all benches, for people */
export function listBenches(benches: readonly BenchHelp[]): string {
  const width = Math.max(...benches.map(({ name }) => name.length));
  const shortOf = (text: string): string => text.replaceAll('\n', ' ').replace(/[:.;]( .*)?$/, '');
  const lines = benches.map(({ name, text }) => `  ${name.padEnd(width)}  ${shortOf(text)}`);
  return `Runs a bench: a table on stderr and, with --json, one JSON document on stdout.

  npm run -s bench -- NAME [--json]
  npm run -s bench -- NAME --help

${lines.join('\n')}
`;
}

/** @returns what one bench measures, for people */
export function describeBench({ name, text }: BenchHelp): string {
  return `${text}

  npm run -s bench -- ${name} --json   a table on stderr, one JSON document on stdout
`;
}
