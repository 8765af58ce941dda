import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, readSources } from './sources.js';

const MAX_COLUMNS = 110;

/** Words that engineers of the field do not use, or that hide who does what. */
const BANNED = /\b(whoever|whosoever|nobody|anew|beside|in a row|power cuts?|a cut)\b/i;

const sources = readSources('src', 'cli', 'bench', 'examples', 'scripts', 'test').filter(
  ({ path }) => path !== 'test/tidy/english.test.ts',
);

const documents = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'test/golden/README.md']
  .concat(markdownBelow('docs'), markdownBelow('examples'))
  .map((path) => ({ path, lines: prose(readFileSync(join(ROOT, path), 'utf8')) }));

function markdownBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`);
}

/** @returns the lines of a document with those of fences and tables left empty */
function prose(text: string): string[] {
  let isFence = false;
  return text.split('\n').map((line) => {
    if (line.trimStart().startsWith('```')) isFence = !isFence;
    return isFence || line.trimStart().startsWith('|') ? '' : line;
  });
}

const isComment = (line: string): boolean => /^\s*(\/\/|\*|\/\*)/.test(line);

/** @returns `path:line` of the lines for which something holds */
function find(
  files: readonly { path: string; lines: readonly string[] }[],
  holds: (line: string) => boolean,
): string[] {
  return files.flatMap(({ path, lines }) =>
    lines.flatMap((line, i) => (holds(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
  );
}

test('lines of comments stay within 110 columns', () => {
  expect(find(sources, (line) => isComment(line) && line.length > MAX_COLUMNS)).toEqual([]);
});

/** A name in bench documents, which stays. */
const KEPT = "'trained anew'";

test('sources and documents use plain words', () => {
  expect(documents.length).toBeGreaterThan(20);
  expect(find(sources, (line) => BANNED.test(line) && !line.includes(KEPT))).toEqual([]);
  expect(find(documents, (line) => BANNED.test(line))).toEqual([]);
});
