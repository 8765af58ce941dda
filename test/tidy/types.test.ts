import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const SRC = join(import.meta.dirname, '..', '..', 'dist', 'src');
const IMPORTED = /(?:from|import\()\s*'([^']+)'/g;

/** @returns the packages that a declaration file names, and those that it imports */
function packagesOf(path: string, seen = new Set<string>()): Set<string> {
  const found = new Set<string>();
  if (seen.has(path)) return found;
  seen.add(path);
  for (const [, name = ''] of readFileSync(path, 'utf8').matchAll(IMPORTED)) {
    if (!name.startsWith('.')) found.add(name);
    else
      for (const each of packagesOf(join(path, '..', name.replace(/\.js$/, '.d.ts')), seen)) found.add(each);
  }
  return found;
}

test.each(['apply', 'diff', 'fast-apply', 'node', 'publish', 'report', 'storage', 'updater'])(
  'types of neural-diff/%s name no package that a project may lack',
  (entry) => {
    const packages = [...packagesOf(join(SRC, 'entries', `${entry}.d.ts`))];
    expect(packages.filter((name) => /tensorflow|onnxruntime|vega|preact/.test(name))).toEqual([]);
  },
);

test('types of neural-diff/tfjs do: the test reads declarations', () => {
  expect([...packagesOf(join(SRC, 'entries', 'tfjs.d.ts'))]).toContain('@tensorflow/tfjs');
});
