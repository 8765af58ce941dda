import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openSafetensorsStore } from '../../src/containers/safetensors.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import type { Disk } from '../../src/storage/disk.js';
import { openFileDisk, type PlainFiles } from '../../src/storage/file-disk.js';
import { installSlots, openSlots } from '../../src/storage/slots.js';
import { codesOfUnsafe, DISK_CASES } from './disk-cases.js';
import { simulate } from './expo-file-system.js';
import { applyTo, createUpdate, MAIN, type Update } from './storages.js';

const folder = mkdtempSync(join(tmpdir(), 'neural-diff-files-'));
let documents = 0;
let home = '';

beforeEach(() => {
  home = join(folder, `documents-${documents++}`);
  mkdirSync(home);
  simulate(home);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The recipe as it stands in the document. */
let recipe = '';

beforeAll(() => {
  const document = readFileSync(join(import.meta.dirname, '../../docs/STORAGE.md'), 'utf8');
  const fences = document.match(/(?<=^```ts\n)[^`]*?(?=^```$)/gm) as string[];
  const code = fences.find((fence) => fence.includes("'expo-file-system'")) as string;
  const sourceOf = (path: string): string => pathToFileURL(join(import.meta.dirname, path)).href;
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  });
  recipe = outputText
    .replace("'expo-file-system'", `'${sourceOf('expo-file-system.ts')}'`)
    .replace("'neural-diff/storage'", `'${sourceOf('../../src/entries/storage.ts')}'`);
});

/** Runs the recipe, as an app does that starts. */
async function start(): Promise<Disk> {
  const path = join(home, 'recipe.mjs');
  writeFileSync(path, recipe);
  const { disk } = (await import(`${pathToFileURL(path).href}?${starts++}`)) as { disk: Disk };
  return disk;
}
let starts = 0;

describe('the recipe for Expo', () => {
  test.each(DISK_CASES)('$name', async ({ run, expected }) => {
    expect(await run(await start())).toEqual(expected);
  });

  test('paths that lead out of the disk are refused', async () => {
    expect(await codesOfUnsafe(await start())).toEqual(['unsafe-path']);
  });

  test('a folder in the place of a file is none, and errors of the platform get codes', async () => {
    const disk = await start();
    await disk.write('a/b', 0, Uint8Array.of(1));
    const refused = { code: 'file-unreadable', facts: { isFile: false } };
    await expect(disk.size('a')).rejects.toMatchObject(refused);
    await expect(disk.write('a', 0, Uint8Array.of(1))).rejects.toMatchObject(refused);
    await expect(disk.remove('a')).rejects.toMatchObject(refused);
    await expect(disk.rename('a/b', 'a')).rejects.toMatchObject(refused);
    for (const [message, code] of [
      ['write failed: ENOSPC (No space left on device)', 'no-space'],
      ['Input/output error', 'file-unreadable'],
    ] as const) {
      simulate(home, () => {
        throw new Error(message);
      });
      await expect(disk.write('a/b', 0, Uint8Array.of(2))).rejects.toMatchObject({ code });
    }
    simulate(home);
    expect(await disk.freeBytes?.()).toBeGreaterThan(0);
  });
});

class Killed extends Error {}

/** Ends the program at a call that writes, and at all that come after it. */
function killAt(at: number): () => number {
  let calls = 0;
  simulate(home, () => {
    if (calls++ >= at) throw new Killed();
  });
  return () => calls;
}

const slotsOn = (disk: Disk) =>
  ({ disk, folder: 'model', openModel: (files) => openSafetensorsStore(files, MAIN) }) satisfies Parameters<
    typeof openSlots
  >[0];

async function install({ file }: Update): Promise<void> {
  await installSlots(slotsOn(await start()), openMemoryFiles(new Map([[MAIN, file]])), [MAIN]);
}

/** Starts again after a kill. @returns the fingerprint of the model that was found */
async function recovered(): Promise<string> {
  simulate(home);
  const storage = openSlots(slotsOn(await start()));
  await storage.recover();
  const store = await storage.open();
  try {
    return await fingerprint(store);
  } finally {
    await store.close();
  }
}

test('an app that is killed at any call of an update has base or next, whole', async () => {
  const update = await createUpdate();
  const found: string[] = [];
  for (let at = 0, isKilled = true; isKilled; at++) {
    rmSync(home, { recursive: true });
    mkdirSync(home);
    simulate(home);
    await install(update);
    const disk = await start();
    const calls = killAt(at);
    await applyTo(openSlots(slotsOn(disk)), update).catch(() => undefined);
    isKilled = calls() > at;
    const name = await recovered();
    found.push(name === update.base ? 'base' : name === update.next ? 'next' : 'broken');
  }
  expect(new Set(found)).toEqual(new Set(['base', 'next']));
  expect(found.length).toBeGreaterThan(8);
  expect(found.indexOf('next')).toBe(found.lastIndexOf('base') + 1);
});

test('a file that is replaced is the old or the new one after a kill at any call', async () => {
  const contents: number[] = [];
  for (let at = 0, isKilled = true; isKilled; at++) {
    simulate(home);
    const disk = await start();
    await disk.write('pointer', 0, Uint8Array.of(1));
    await disk.write('draft', 0, Uint8Array.of(2));
    const calls = killAt(at);
    await disk.rename('draft', 'pointer').catch(() => undefined);
    isKilled = calls() > at;
    simulate(home);
    const bytes = new Uint8Array(1);
    await (await start()).readInto('pointer', 0, bytes);
    contents.push(bytes[0] as number);
  }
  expect(contents[0]).toBe(1);
  expect(contents.at(-1)).toBe(2);
  expect(contents.length).toBeGreaterThan(4);
});

test('a replacement that an error interrupts is completed before anything else is done', async () => {
  const disk = await start();
  await disk.write('pointer', 0, Uint8Array.of(1));
  await disk.write('draft', 0, Uint8Array.of(2));
  let moves = 0;
  simulate(home, (call) => {
    if (call === 'move' && ++moves === 2) throw new Error('Input/output error');
  });
  await expect(disk.rename('draft', 'pointer')).rejects.toMatchObject({ code: 'file-unreadable' });
  expect(await disk.list('')).toEqual(['pointer']);
  const bytes = new Uint8Array(1);
  await disk.readInto('pointer', 0, bytes);
  expect(bytes).toEqual(Uint8Array.of(2));
});

test('locks exclude all disks of one name, and no others', async () => {
  const files: PlainFiles = { ...(await memoryFiles()) };
  const [one, two] = [await openFileDisk(files, { name: 'a' }), await openFileDisk(files, { name: 'a' })];
  const other = await openFileDisk(files, { name: 'b' });
  await one.withLock('lock', async () => {
    await expect(two.withLock('lock', async () => 1)).rejects.toMatchObject({ code: 'locked' });
    expect(await other.withLock('lock', async () => 1)).toBe(1);
  });
  expect(await two.withLock('lock', async () => 2)).toBe(2);
});

/** @returns files of a library that reads a few bytes at a time, and has neither folders nor promises */
async function memoryFiles(): Promise<PlainFiles> {
  const contents = new Map<string, number[]>();
  const at = (path: string): number[] => contents.get(path) as number[];
  return {
    size: (path) => contents.get(path)?.length,
    read: (path, offset, length) => Uint8Array.from(at(path).slice(offset, offset + Math.min(3, length))),
    write(path, offset, bytes) {
      contents.set(path, contents.get(path) ?? []);
      at(path).splice(offset, bytes.length, ...bytes);
    },
    move(from, to) {
      contents.set(to, at(from));
      contents.delete(from);
    },
    remove: (path) => contents.delete(path),
    makeFolder: () => {},
    list: () => Array.from(contents.keys(), (name) => ({ name, isFolder: false })),
  };
}

test('libraries that read a few bytes at a time, without promises, are enough', async () => {
  const disk = await openFileDisk(await memoryFiles(), { name: 'few' });
  const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
  await disk.write('file', 0, bytes);
  const found = new Uint8Array(90);
  await disk.readInto('file', 10, found);
  expect(found).toEqual(bytes.subarray(10));
  await disk.write('file', 120, bytes.subarray(1, 2));
  const gap = new Uint8Array(21);
  await disk.readInto('file', 100, gap);
  expect([...gap]).toEqual([...new Uint8Array(20), 1]);
  expect(disk.freeBytes).toBeUndefined();
  await disk.sync('file');
});
