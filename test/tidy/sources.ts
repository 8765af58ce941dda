import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';

/** The project's root folder. */
export const ROOT = join(import.meta.dirname, '..', '..');

/** A source file and what it imports. */
export interface Source {
  /** Path from the root, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  /** Module names as written. */
  readonly imports: readonly string[];
}

/** @returns every TypeScript file below some folders of the project */
export function readSources(...folders: string[]): Source[] {
  return folders
    .flatMap((folder) => listFiles(join(ROOT, folder)))
    .map((file) => readSource(relative(ROOT, file).replaceAll('\\', '/')));
}

function listFiles(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (name === 'node_modules') return [];
    return statSync(path).isDirectory() ? listFiles(path) : /\.tsx?$/.test(name) ? [path] : [];
  });
}

/** @returns a file of the project, by its path from the root */
export function readSource(path: string): Source {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const statements = text.matchAll(
    /^(?:import|export)\b[^;']*?from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm,
  );
  return {
    path,
    text,
    lines: text.split('\n'),
    imports: Array.from(statements, (match) => match.slice(1).find(Boolean) as string),
  };
}

/** @returns whether a source is an entry point of the package */
export const isEntry = (path: string): boolean => /^src\/(entries\/|index\.ts$)/.test(path);

/** @returns the room of a source below `src`, or its top folder */
export function roomOf(path: string): string {
  const [top, second] = path.split('/');
  if (top !== 'src') return top as string;
  return /\.tsx?$/.test(second as string) ? 'src' : (second as string);
}

/** @returns the path from the root that a relative import of a source means */
export function resolveImport(source: Source, name: string): string {
  const path = posix.normalize(posix.join(dirname(source.path), name)).replace(/\.js$/, '.ts');
  return existsSync(join(ROOT, `${path}x`)) ? `${path}x` : path;
}

/** @returns the package that a module name belongs to */
export function packageOf(name: string): string {
  return name.startsWith('node:') ? 'node:' : name.split('/', name.startsWith('@') ? 2 : 1).join('/');
}
