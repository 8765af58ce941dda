import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FarmStore, type JobResult } from '../../../src/recipe/farm/store.js';
import { scratch } from '../../cli/command.js';
import { codeOf, seededBytes } from '../../support.js';

const folder = scratch();
let stores = 0;

function createStore() {
  const root = join(folder, `store-${stores++}`);
  const objectAt = (digest: string): string => join(root, 'objects', digest.slice(0, 2), digest);
  return { root, store: new FarmStore(root), objectAt };
}

const CONTENT = seededBytes(1, 100_000);

function resultOf(product: string): JobResult {
  return { format: 'neural-diff job result', version: 1, job: 'j', product, seconds: 1, log: [], facts: {} };
}

test('content is found by its SHA-256, whether it came as bytes or as a file, and is kept once', async () => {
  const { root, store } = createStore();
  const path = join(folder, 'content');
  writeFileSync(path, CONTENT);
  const digest = await store.put(CONTENT);
  expect(await store.putFile(path)).toBe(digest);
  expect(Buffer.from(await store.get(digest)).equals(CONTENT)).toBe(true);
  await store.copyTo(digest, join(folder, 'new', 'copy'));
  expect(readFileSync(join(folder, 'new', 'copy')).equals(CONTENT)).toBe(true);
  expect(readdirSync(join(root, 'objects', digest.slice(0, 2)))).toEqual([digest]);
});

test('content that is damaged is refused, and leaves no file; putting it again repairs it', async () => {
  const { store, objectAt } = createStore();
  const digest = await store.put(CONTENT);
  writeFileSync(
    objectAt(digest),
    CONTENT.map((byte, i) => (i === 99_999 ? byte ^ 1 : byte)),
  );
  expect(await codeOf(() => store.get(digest))).toBe('storage-mismatch');
  const copy = join(folder, 'damaged');
  expect(await codeOf(() => store.copyTo(digest, copy))).toBe('storage-mismatch');
  expect(existsSync(copy)).toBe(false);
  await store.put(CONTENT);
  expect(Buffer.from(await store.get(digest)).equals(CONTENT)).toBe(true);
});

test('content that is missing is an error', async () => {
  const { store } = createStore();
  expect(await codeOf(() => store.get('ab'.repeat(32)))).toBe('file-not-found');
  const copy = () => store.copyTo('ab'.repeat(32), join(folder, 'missing'));
  expect(await codeOf(copy)).toBe('file-not-found');
});

test('a result counts only with its whole product', async () => {
  const { root, store, objectAt } = createStore();
  expect(await store.readResult('j')).toBeUndefined();
  const digest = await store.put(CONTENT);
  await store.writeResult('j', resultOf(digest));
  expect(await store.readResult('j')).toEqual(resultOf(digest));
  writeFileSync(objectAt(digest), CONTENT.subarray(1));
  expect(await store.readResult('j')).toBeUndefined();
  await store.put(CONTENT);
  expect(await store.readResult('j')).toBeDefined();
  writeFileSync(join(root, 'results', 'j.json'), '{"product"');
  expect(await store.readResult('j')).toBeUndefined();
});

test('the state of a job that has ended is removed', async () => {
  const { store } = createStore();
  mkdirSync(store.stateOf('j'), { recursive: true });
  await store.removeState('j');
  expect(existsSync(store.stateOf('j'))).toBe(false);
  await store.removeState('j');
});
