import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Trial } from '../../../src/recipe/tune/goal.js';
import { Knowledge } from '../../../src/recipe/tune/knowledge.js';

const folder = mkdtempSync(join(tmpdir(), 'neural-diff-knowledge-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (...names: string[]): string => join(folder, ...names);

const trialOf = (gap: number): Trial => {
  return { configuration: { kind: 'hash', epochs: 2 }, fidelity: 1, measured: { gap } };
};
const of = (task: string, space = 'payload') => ({ space, task });

test('a task knows the others of its space, not itself; the last search of a task counts', async () => {
  const path = at('new', 'folder', 'knowledge.json');
  const knowledge = await Knowledge.open(path);
  expect(knowledge.of(of('a'))).toEqual([]);
  await knowledge.learn(of('a'), [trialOf(0.5)]);
  await knowledge.learn(of('a'), [trialOf(0.1), { ...trialOf(0), measured: undefined }]);
  await knowledge.learn(of('b', 'network'), [trialOf(0.3)]);
  const read = await Knowledge.open(path);
  expect(read.of(of('a'))).toEqual([]);
  expect(read.of(of('c'))).toEqual([[trialOf(0.1), { ...trialOf(0), measured: undefined }]]);
  expect(read.of(of('c', 'network'))).toEqual([[trialOf(0.3)]]);
});

test('searches that end after each other keep what both have learnt', async () => {
  const path = at('both.json');
  const [first, second] = [await Knowledge.open(path), await Knowledge.open(path)];
  await first.learn(of('a'), [trialOf(0.1)]);
  await second.learn(of('b'), [trialOf(0.2)]);
  expect((await Knowledge.open(path)).of(of('c'))).toEqual([[trialOf(0.1)], [trialOf(0.2)]]);
});

test('a file that is none is refused, not replaced', async () => {
  for (const text of ['{', '[]', '{"format":"neural-diff knowledge","version":2,"tasks":[]}']) {
    writeFileSync(at('odd.json'), text);
    await expect(Knowledge.open(at('odd.json'))).rejects.toMatchObject({ code: 'bad-document' });
  }
});
