import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** Inside of the package, so that snippets import it by its name, as built. */
const CACHE = '.cache';

let folder = '';

beforeAll(() => {
  mkdirSync(CACHE, { recursive: true });
  folder = mkdtempSync(join(CACHE, 'readme-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the snippets of the README run as they stand, one after the other', async () => {
  const readme = readFileSync('README.md', 'utf8');
  const snippets = [...readme.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code]) => code ?? '');
  expect(snippets).toHaveLength(3);
  const output: string[] = [];
  for (const [index, code] of snippets.entries()) {
    writeFileSync(join(folder, `${index}.mjs`), code);
    const { stdout } = await promisify(execFile)(process.execPath, [`${index}.mjs`], { cwd: folder });
    output.push(stdout);
  }
  const [bytes, full, diff] = (output[0] ?? '').split(' ').map(Number);
  expect(bytes).toBeLessThanOrEqual(0.005 * 4 * (65 * 512 + 513 * 4));
  expect(full).toBeGreaterThan(0.9);
  expect(diff).toBeGreaterThan(0.9);
  for (const name of ['group1-shard1of1.bin', 'model.json']) {
    const [base, next] = ['models/v1', 'device/model'].map((path) => readFileSync(join(folder, path, name)));
    expect(base?.equals(next ?? Buffer.of())).toBe(name === 'model.json');
  }
  expect(output[2]).toMatch(/^Ship v2: \d+ bytes, 0\.\d+ % of the model\n$/);
  expect(readFileSync(join(folder, 'report.html'), 'utf8')).toContain('<title>Version 2');
});
