import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createWhole } from '../../src/node/lock-file.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'neural-diff-whole-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('createWhole() gives a name to one of many, with its text from the first moment, and leaves no drafts', async () => {
  const path = join(folder, 'lock');
  let isWatched = true;
  const seen = new Set<string>();
  const watch = (async () => {
    while (isWatched) {
      if (existsSync(path)) seen.add(readFileSync(path, 'utf8'));
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  const texts = Array.from({ length: 50 }, (_, i) => `holder ${i}`);
  const files = await Promise.all(texts.map((text) => createWhole(path, text)));
  isWatched = false;
  await watch;
  const winners = files.filter((file) => file !== undefined);
  expect([winners.length, readdirSync(folder)]).toEqual([1, ['lock']]);
  expect([...seen]).toEqual([readFileSync(path, 'utf8')]);
  const winner = texts[files.findIndex((file) => file !== undefined)];
  expect(readFileSync(path, 'utf8')).toBe(winner);
  await winners[0]?.close();
});

test('createWhole() says what is wrong with the folder', async () => {
  await expect(createWhole(join(folder, 'none', 'lock'), 'text')).rejects.toMatchObject({ code: 'ENOENT' });
});
