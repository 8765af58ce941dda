// The size and shape of the code base, as a table or with --json as one document: npm run -s house.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { ROOT } from './root.js';

/** Entry points that devices load. */
export const DEVICE_ENTRIES = ['apply', 'fast-apply', 'storage', 'updater'] as const;

/** A file or function and its lines. */
interface Longest {
  readonly name: string;
  readonly lines: number;
}

/** What is measured of the code base. */
export interface House {
  readonly rooms: readonly string[];
  readonly files: number;
  readonly lines: number;
  readonly medianFileLines: number;
  readonly longestFile: Longest;
  readonly medianFunctionLines: number;
  readonly longestFunction: Longest;
  readonly subpaths: number;
  readonly publicNames: number;
  /** Import cycles below `src`, type imports included, each as its files. */
  readonly cycles: readonly string[];
  /** Files of the build that each device entry loads, unbundled. */
  readonly loaded: Readonly<Record<string, readonly string[]>>;
}

/** Measures `src`; what devices load is read from the build in `dist`. */
export function measureHouse(): House {
  const paths = listFiles(join(ROOT, 'src')).filter((path) => !path.includes('/assembly/'));
  const files = paths.map((path) => ({ name: path, lines: countLines(readText(path)) }));
  const functions = paths.flatMap(functionsOf);
  return {
    rooms: readdirSync(join(ROOT, 'src'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== 'entries')
      .map((entry) => entry.name),
    files: listFiles(join(ROOT, 'src')).length,
    lines: files.reduce((sum, file) => sum + file.lines, 0),
    medianFileLines: median(files.map((file) => file.lines)),
    longestFile: longest(files),
    medianFunctionLines: median(functions.map((one) => one.lines)),
    longestFunction: longest(functions),
    subpaths: subpathsOf().length,
    publicNames: subpathsOf().flatMap(publicNamesOf).length,
    cycles: cyclesOf(new Map(paths.map((path): [string, string[]] => [path, importsOf(path)]))),
    loaded: Object.fromEntries(
      DEVICE_ENTRIES.map((name) => [name, reachable(`dist/src/entries/${name}.js`)]),
    ),
  };
}

/** @returns the sources of the package's entry points */
export function subpathsOf(): string[] {
  const manifest = JSON.parse(readText('package.json')) as { exports: Record<string, string> };
  return Object.values(manifest.exports)
    .filter((target) => target.includes('/src/'))
    .map((target) => target.replace('./dist/', '').replace(/\.js$/, '.ts'));
}

/** @returns the names that an entry point exports, types included */
export function publicNamesOf(entry: string): string[] {
  return parse(entry).statements.flatMap((statement) =>
    ts.isExportDeclaration(statement) && statement.exportClause && ts.isNamedExports(statement.exportClause)
      ? statement.exportClause.elements.map((element) => element.name.text)
      : [],
  );
}

/**
 * @param start path of a built module from the root
 * @param dynamic whether modules that are imported later count
 * @returns the files that it loads, itself among them; packages are left out
 */
export function reachable(start: string, { dynamic = true } = {}): string[] {
  const found = new Set<string>();
  const queue = [start];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (found.has(path)) continue;
    found.add(path);
    queue.push(...importsOf(path, { dynamic }));
  }
  return [...found].sort();
}

/** @returns the files of the project that a module imports */
function importsOf(path: string, { dynamic = true } = {}): string[] {
  const names = parse(path).statements.flatMap((statement) =>
    (ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement)) && statement.moduleSpecifier
      ? [(statement.moduleSpecifier as ts.StringLiteral).text]
      : [],
  );
  const later = dynamic ? readText(path).matchAll(/\bimport\('([^']+)'\)/g) : [];
  for (const [, name] of later) names.push(name as string);
  return names.filter((name) => name.startsWith('.')).map((name) => resolve(path, name));
}

/** @returns each cycle once, as `a -> b -> a` */
function cyclesOf(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const cycles: string[] = [];
  const done = new Set<string>();
  const walk = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) cycles.push([...trail.slice(at), path].join(' -> '));
    if (at >= 0 || done.has(path)) return;
    for (const target of graph.get(path) ?? []) walk(target, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) walk(path, []);
  return cycles;
}

function functionsOf(path: string): Longest[] {
  const file = parse(path);
  const found: Longest[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body) {
      const lineOf = (position: number) => file.getLineAndCharacterOfPosition(position).line + 1;
      const start = lineOf(node.getStart(file));
      found.push({ name: `${path}:${start}`, lines: lineOf(node.end) - start + 1 });
    }
    node.forEachChild(visit);
  };
  visit(file);
  return found;
}

function listFiles(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return listFiles(path);
    return /\.tsx?$/.test(name) ? [relative(ROOT, path).replaceAll('\\', '/')] : [];
  });
}

function resolve(from: string, name: string): string {
  const path = posix.normalize(posix.join(dirname(from), name));
  const sources = [path, path.replace(/\.js$/, '.ts'), path.replace(/\.js$/, '.tsx')];
  return sources.find((source) => existsSync(join(ROOT, source))) ?? path;
}

const parsed = new Map<string, ts.SourceFile>();

function parse(path: string): ts.SourceFile {
  const known = parsed.get(path);
  if (known) return known;
  const file = ts.createSourceFile(path, readText(path), ts.ScriptTarget.ES2022, true);
  parsed.set(path, file);
  return file;
}

const readText = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const countLines = (text: string): number => text.split('\n').length - 1;

const longest = (all: readonly Longest[]): Longest => all.reduce((a, b) => (b.lines > a.lines ? b : a));

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;

function print(house: House): void {
  const rows: [string, string | number][] = [
    ['rooms', `${house.rooms.length}: ${house.rooms.join(', ')}`],
    ['files, lines', `${house.files}, ${house.lines}`],
    ['lines of a file', `median ${house.medianFileLines}, ${named(house.longestFile)}`],
    ['lines of a function', `median ${house.medianFunctionLines}, ${named(house.longestFunction)}`],
    ['subpaths, public names', `${house.subpaths}, ${house.publicNames}`],
    ['import cycles', house.cycles.length],
    ...Object.entries(house.loaded).map(([name, files]): [string, number] => [
      `files that ${name} loads`,
      files.length,
    ]),
  ];
  process.stdout.write(rows.map(([what, value]) => `${what.padEnd(28)}${value}\n`).join(''));
}

const named = ({ name, lines }: Longest): string => `longest ${lines} (${name})`;

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const house = measureHouse();
  if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(house, null, 2)}\n`);
  else print(house);
}
