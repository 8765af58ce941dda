import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from './sources.js';

const rows = readFileSync(join(ROOT, 'docs/PROMISES.md'), 'utf8')
  .split('\n')
  .filter((line) => /^\| \d+ \|/.test(line));

test('docs/PROMISES.md has 37 promises, each with tests that exist under their names', () => {
  expect(rows.map((row) => Number(row.split('|')[1]))).toEqual(Array.from({ length: 37 }, (_, i) => i + 1));
  const missing = rows.flatMap((row) => {
    const named = [...row.matchAll(/`(test\/[^`]+\.test\.ts)` "(.*?)"(?=,| \|)/g)];
    if (named.length === 0) return [`no test: ${row}`];
    return named
      .filter(([, path = '', title = '']) => !textOf(path).includes(title))
      .map(([, path, title]) => `${path}: ${title}`);
  });
  expect(missing).toEqual([]);
});

function textOf(path: string): string {
  const file = join(ROOT, path);
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}
