import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, readSources, resolveImport, roomOf } from './sources.js';

const MAX_COLUMNS = 110;

/** A Markdown document: its path from the root, its text, and its lines outside of code fences. */
interface Document {
  readonly path: string;
  readonly text: string;
  readonly prose: readonly string[];
}

const documents = [
  ...readdirSync(ROOT).filter((name) => name.endsWith('.md')),
  ...['docs', 'examples', 'test/golden', 'bench/results'].flatMap(listDocuments),
].map(readDocument);

function listDocuments(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`);
}

function readDocument(path: string): Document {
  const text = readFileSync(join(ROOT, path), 'utf8');
  return { path, text, prose: text.replaceAll(/^```[\s\S]*?^```$/gm, '').split('\n') };
}

test('documents have at most 110 columns, but for tables and code', () => {
  expect(documents.length).toBeGreaterThan(40);
  const wrong = documents
    .filter(({ path }) => path !== 'docs/CLI.md')
    .flatMap(({ path, prose }) => prose.map((line) => ({ path, line })))
    .filter(({ line }) => line.length > MAX_COLUMNS && !/^\s*[|<]/.test(line));
  expect(wrong).toEqual([]);
});

test('links of documents lead to files and headings', () => {
  const wrong: string[] = [];
  for (const { path, prose } of documents) {
    for (const [, target = ''] of prose.join('\n').matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
      const [file = '', anchor] = target.split('#');
      const to = file === '' ? path : join(dirname(path), file);
      if (!existsSync(join(ROOT, to))) wrong.push(`${path}: ${target}`);
      else if (anchor !== undefined && !anchorsOf(to).includes(anchor)) wrong.push(`${path}: ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

/** @returns the anchors that GitHub gives a document's headings */
function anchorsOf(path: string): string[] {
  const headings = readDocument(path).prose.filter((line) => line.startsWith('#'));
  return headings.map((line) =>
    line
      .replace(/^#+ /, '')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

const architecture = readDocument('docs/ARCHITECTURE.md');

test('ARCHITECTURE.md draws the arrows between rooms, and names all of them', () => {
  const drawn = [...architecture.text.matchAll(/^ +([\w-]+) --> (.+)$/gm)].flatMap(([, from = '', to = '']) =>
    to.split(' & ').map((each) => [from, each] as const),
  );
  const sources = readSources('src', 'cli').filter(({ path }) => !path.includes('/assembly/'));
  const arrows = new Set(
    sources
      .flatMap((source) =>
        source.imports
          .filter((name) => name.startsWith('.'))
          .map((name) => [roomOf(source.path), roomOf(resolveImport(source, name))] as const),
      )
      .filter(([from, to]) => from !== to && !['src', 'entries'].includes(from))
      .map(([from, to]) => `${from} -> ${to}`),
  );
  const reach = (from: string): string[] => {
    const next = drawn.filter(([room]) => room === from).map(([, to]) => to);
    return [...next, ...next.flatMap(reach)];
  };
  expect(drawn.map(([from, to]) => `${from} -> ${to}`).filter((arrow) => !arrows.has(arrow))).toEqual([]);
  const missing = [...arrows].filter((arrow) => {
    const [from = '', to = ''] = arrow.split(' -> ');
    return !reach(from).includes(to);
  });
  expect(missing).toEqual([]);
  const rooms = readdirSync(join(ROOT, 'src'), { withFileTypes: true }).filter((one) => one.isDirectory());
  const names = rooms.map(({ name }) => name).filter((name) => name !== 'entries');
  expect(names.filter((name) => !architecture.text.includes(`\`${name}\``))).toEqual([]);
});

test('files and names that ARCHITECTURE.md mentions exist', () => {
  const paths = [...architecture.text.matchAll(/`((?:src|test|cli|bench)\/[\w./-]+)`/g)].map(
    ([, path]) => path,
  );
  expect(paths.length).toBeGreaterThan(15);
  expect(paths.filter((path) => !existsSync(join(ROOT, path ?? '')))).toEqual([]);
  const named = [...architecture.text.matchAll(/`(\w+)` in `(src\/[\w./-]+)`/g)];
  expect(named.length).toBeGreaterThan(3);
  const wrong = named.filter(([, name = '', path = '']) => {
    return !new RegExp(`\\b${name}\\b`).test(readFileSync(join(ROOT, path), 'utf8'));
  });
  expect(wrong.map(([mention]) => mention)).toEqual([]);
});

test('README.md and ARCHITECTURE.md have at most 120 lines', () => {
  const long = documents.filter(({ path }) => ['README.md', 'docs/ARCHITECTURE.md'].includes(path));
  expect(long.map(({ text }) => text.split('\n').length - 1).filter((lines) => lines > 120)).toEqual([]);
});
