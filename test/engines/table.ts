import { CAPABILITIES } from './capabilities.js';
import type { Proof } from './prove.js';

/** @returns the row of an engine in the table of docs/ENGINES.md */
export function rowOf(name: string, { cases, found }: Pick<Proof, 'cases' | 'found'>): string {
  const cells = Object.keys(CAPABILITIES).map((key) => (found[key as keyof typeof found] ? 'yes' : '·'));
  return `| ${[name, cases, ...cells].join(' | ')} |`;
}

/** WebGL and WebGPU, the last two columns, depend on the machine. */
const MACHINE = / \| [^|]+ \| [^|]+ \|$/;

/** @returns a document with the rows of the engines that ran in the place of those of the same names */
export function withRows(document: string, rows: ReadonlyMap<string, string>): string {
  return document.replaceAll(/^\| ([^|]+) \| \d+ \|.*$/gm, (row, name: string) => {
    const found = rows.get(name) ?? row;
    return found.replace(MACHINE, '') === row.replace(MACHINE, '') ? row : found;
  });
}
