import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockFile } from '../../src/node/lock-file.js';
import { codeOf } from '../support.js';

let folder: string;
let path: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'neural-diff-lock-'));
  path = join(folder, 'model.lock');
});
afterEach(async () => {
  await kill();
  rmSync(folder, { recursive: true });
});

const tryToLock = (): Promise<string> => lockFile(path, async () => 'held').catch((error) => error.code);

/** Starts a process that does nothing. @returns its number */
async function startProcess(): Promise<number> {
  child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000); console.log("up")']);
  await once(child.stdout as NonNullable<ChildProcess['stdout']>, 'data');
  return child.pid as number;
}

async function kill(): Promise<void> {
  if (child === undefined) return;
  const ended = once(child, 'close');
  child.kill('SIGKILL');
  await ended;
  child = undefined;
}

/** @returns what a lock of this process says */
async function ownLock(): Promise<{ pid: number; started: number; boot: string }> {
  return lockFile(path, async () => JSON.parse(readFileSync(path, 'utf8')));
}

test('lockFile() holds a file that names the process, and removes it however it ends', async () => {
  expect((await ownLock()).pid).toBe(process.pid);
  expect(existsSync(path)).toBe(false);
  const failing = lockFile(path, async () => {
    throw new RangeError('no');
  });
  await expect(failing).rejects.toThrow(RangeError);
  expect(existsSync(path)).toBe(false);
});

test('lockFile() refuses a lock that this process holds, and names it', async () => {
  await lockFile(path, async () => {
    const second = lockFile(path, async () => {});
    await expect(second).rejects.toMatchObject({ code: 'locked', facts: { pid: process.pid } });
    expect(existsSync(path)).toBe(true);
  });
  expect(await tryToLock()).toBe('held');
});

test('lockFile() refuses the lock of a process that runs, and takes it once that was killed', async () => {
  const pid = await startProcess();
  writeFileSync(path, JSON.stringify({ ...(await ownLock()), pid }));
  expect(await tryToLock()).toBe('locked');
  expect(JSON.parse(readFileSync(path, 'utf8')).pid).toBe(pid);
  await kill();
  expect(await tryToLock()).toBe('held');
  expect(existsSync(path)).toBe(false);
});

test('lockFile() takes a lock of another run of the machine, and of an earlier process of the same number', async () => {
  const own = await ownLock();
  const pid = await startProcess();
  for (const stale of [
    { ...own, pid, boot: 'another' },
    { ...own, started: own.started - 60 },
  ]) {
    writeFileSync(path, JSON.stringify(stale));
    expect(await tryToLock()).toBe('held');
  }
});

test('lockFile() lets a lock be written, and takes one that was never finished', async () => {
  writeFileSync(path, '');
  expect(await tryToLock()).toBe('locked');
  const before = new Date(Date.now() - 60_000);
  utimesSync(path, before, before);
  expect(await tryToLock()).toBe('held');
});

test('lockFile() clears a stale lock though whoever was about to do so was killed', async () => {
  writeFileSync(path, JSON.stringify({ ...(await ownLock()), boot: 'another' }));
  mkdirSync(`${path}.clearing`);
  expect(await tryToLock()).toBe('locked');
  const before = new Date(Date.now() - 60_000);
  utimesSync(`${path}.clearing`, before, before);
  expect(await tryToLock()).toBe('held');
  expect(existsSync(`${path}.clearing`)).toBe(false);
});

test('lockFile() says what is wrong with the folder', async () => {
  expect(await codeOf(() => lockFile(join(folder, 'none', 'lock'), async () => {}))).toBe('file-not-found');
});

test('lockFile() lets one of two threads in at a time', async () => {
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.module).then(async ({ openNodeDisk }) => {
      const disk = openNodeDisk(workerData.folder);
      const found = { held: 0, locked: 0, wrong: 0 };
      while (found.held < 30) {
        try {
          await disk.exclusively('model', async () => {
            found.held++;
            const inside = Atomics.add(workerData.inside, 0, 1);
            if (inside !== 0) found.wrong++;
            await new Promise((resolve) => setTimeout(resolve, 2));
            Atomics.sub(workerData.inside, 0, 1);
          });
        } catch (error) {
          if (error.code !== 'locked') throw error;
          found.locked++;
        }
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      parentPort.postMessage(found);
    });`;
  const module = new URL('../../dist/src/node/index.js', import.meta.url).href;
  const inside = new Int32Array(new SharedArrayBuffer(4));
  const threads = [1, 2].map(() => new Worker(code, { eval: true, workerData: { module, folder, inside } }));
  const tallies = await Promise.all(threads.map(async (thread) => (await once(thread, 'message'))[0]));
  for (const { held, wrong } of tallies) expect({ held, wrong }).toEqual({ held: 30, wrong: 0 });
  expect(tallies[0].locked + tallies[1].locked).toBeGreaterThan(0);
});
