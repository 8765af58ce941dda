import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lockFile } from '../../src/node/lock-file.js';
import { withFaultyCalls } from '../rig/faulty-fs.js';
import { codeOf, errorOf } from '../support.js';

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

/** Makes a file a minute older. */
function age(file = path): void {
  const before = new Date(Date.now() - 60_000);
  utimesSync(file, before, before);
}

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
async function ownLock(): Promise<{ pid: number; boot: string; ticks: string }> {
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

/** @returns when the system started a process */
const ticksOf = (pid: number): string =>
  readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ')[19] as string;

test('lockFile() refuses the lock of a process that runs, and takes it once that was killed', async () => {
  const pid = await startProcess();
  writeFileSync(path, JSON.stringify({ ...(await ownLock()), pid, ticks: ticksOf(pid) }));
  age();
  expect(await tryToLock()).toBe('locked');
  expect(JSON.parse(readFileSync(path, 'utf8')).pid).toBe(pid);
  await kill();
  expect(await tryToLock()).toBe('held');
  expect(existsSync(path)).toBe(false);
});

test('lockFile() takes a lock of another run of the machine, and of an earlier process of a number that runs', async () => {
  const own = await ownLock();
  const pid = await startProcess();
  for (const stale of [
    { ...own, pid, ticks: ticksOf(pid), boot: 'another' },
    { ...own, pid, ticks: String(Number(ticksOf(pid)) - 1) },
    { ...own, ticks: String(Number(own.ticks) - 100) },
  ]) {
    writeFileSync(path, JSON.stringify(stale));
    expect(await tryToLock()).toBe('held');
  }
});

test('lockFile() takes the lock of a process that has ended, though its parent never waited for it', async () => {
  child = spawn('sh', ['-c', 'sleep 0.1 & echo $!; exec sleep 100']);
  const [said] = await once(child.stdout as NonNullable<ChildProcess['stdout']>, 'data');
  const pid = Number(said);
  writeFileSync(path, JSON.stringify({ ...(await ownLock()), pid, ticks: ticksOf(pid) }));
  expect(await tryToLock()).toBe('locked');
  const isZombie = (): boolean => readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z');
  while (!isZombie()) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(await tryToLock()).toBe('held');
});

test('lockFile() leaves a lock from another container alone while its time moves', async () => {
  const own = await ownLock();
  const beats = { beatMs: 40, staleMs: 200 };
  const tryIt = (): Promise<string> => lockFile(path, async () => 'held', beats).catch((error) => error.code);
  // Numbers of processes start from 1 in each of them.
  for (const pid of [own.pid, 2 ** 22 + 1]) {
    writeFileSync(path, JSON.stringify({ ...own, pid, ticks: '1', space: 'pid:[1]' }));
    expect(await tryIt()).toBe('locked');
    age();
    expect(await tryIt()).toBe('held');
  }
});

describe('lockFile() where the system does not say when processes were started', () => {
  const options = { knowsStarts: false, beatMs: 40, staleMs: 200 };
  const tryIt = (): Promise<string> =>
    lockFile(path, async () => 'held', options).catch((error) => error.code);

  /** Starts a process that holds the lock for ever. */
  async function startHolder(): Promise<number> {
    const module = new URL('../../dist/src/node/lock-file.js', import.meta.url).href;
    const code = `import { lockFile } from ${JSON.stringify(module)};
      const hold = () => new Promise((resolve) => { setInterval(() => {}, 1000); console.log('up'); });
      await lockFile(${JSON.stringify(path)}, hold, ${JSON.stringify(options)});`;
    child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout as NonNullable<ChildProcess['stdout']>, 'data');
    return child.pid as number;
  }

  test('refuses the lock of a process that beats, for however long', async () => {
    const pid = await startHolder();
    const first = statSync(path).mtimeMs;
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ pid, boot: '', ticks: '', space: '' });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(statSync(path).mtimeMs).toBeGreaterThan(first);
    expect(await tryIt()).toBe('locked');
    // After the machine slept all files are old: those who lives beats again.
    age();
    expect(await tryIt()).toBe('locked');
    await kill();
    expect(await tryIt()).toBe('held');
  });

  test('takes the lock of a process whose number another one has got', async () => {
    const pid = await startProcess();
    writeFileSync(path, JSON.stringify({ pid, boot: '', ticks: '', space: '' }));
    expect(await tryIt()).toBe('locked');
    age();
    expect(await tryIt()).toBe('held');
  });

  test('a process that stood still while another one took its lock leaves that alone', async () => {
    const other = `${path}.other`;
    const moved = lockFile(
      path,
      async () => {
        writeFileSync(other, '{}');
        renameSync(other, path);
        await new Promise((resolve) => setTimeout(resolve, 100));
      },
      options,
    );
    await moved;
    expect(readFileSync(path, 'utf8')).toBe('{}');
  });
});

test('lockFile() tells a process that stood still whether it has lost its lock', async () => {
  const standStill = (): void => {
    const until = Date.now() + 60;
    while (Date.now() < until);
  };
  await lockFile(
    path,
    async (check) => {
      standStill();
      await check();
      standStill();
      rmSync(path);
      writeFileSync(path, JSON.stringify({ pid: 7 }));
      expect(await codeOf(check)).toBe('locked');
      await new Promise((resolve) => setTimeout(resolve, 40));
      expect(await codeOf(check)).toBe('locked');
    },
    { beatMs: 20 },
  );
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ pid: 7 });
});

test('lockFile() holds a lock whose name alone is there for as long as its holder beats', async () => {
  await lockFile(
    path,
    async () => {
      truncateSync(path);
      age();
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(await tryToLock()).toBe('locked');
    },
    { beatMs: 20 },
  );
});

test('lockFile() lets a lock be written, and takes one that was never finished', async () => {
  writeFileSync(path, '');
  expect(await tryToLock()).toBe('locked');
  age();
  expect(await tryToLock()).toBe('held');
});

test('lockFile() clears a stale lock though the process that was clearing it was killed', async () => {
  const own = JSON.stringify(await ownLock());
  const pid = await startProcess();
  const theirs = JSON.stringify({ ...JSON.parse(own), pid, ticks: '' });
  writeFileSync(path, own.replace(/"boot":"[^"]*"/, '"boot":"an earlier run"'));
  writeFileSync(`${path}.clearing`, theirs);
  writeFileSync(`${path}.${pid}.0123abcd`, theirs);
  writeFileSync(`${path}.${pid}.456789ab`, 'weights of a model');
  expect(await tryToLock()).toBe('locked');
  await kill();
  expect(await tryToLock()).toBe('held');
  expect(readdirSync(folder)).toEqual([`model.lock.${pid}.456789ab`]);
  rmSync(join(folder, `model.lock.${pid}.456789ab`));

  // On a full disk the name is all there is of it.
  writeFileSync(path, own.replace(/"boot":"[^"]*"/, '"boot":"an earlier run"'));
  writeFileSync(`${path}.clearing`, '');
  expect(await tryToLock()).toBe('locked');
  age(`${path}.clearing`);
  expect(await tryToLock()).toBe('held');
  expect(readdirSync(folder)).toEqual([]);
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
          await disk.withLock('model', async () => {
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
  const module = new URL('../../dist/src/entries/node.js', import.meta.url).href;
  const inside = new Int32Array(new SharedArrayBuffer(4));
  const threads = [1, 2].map(() => new Worker(code, { eval: true, workerData: { module, folder, inside } }));
  const tallies = await Promise.all(threads.map(async (thread) => (await once(thread, 'message'))[0]));
  for (const { held, wrong } of tallies) expect({ held, wrong }).toEqual({ held: 30, wrong: 0 });
  expect(tallies[0].locked + tallies[1].locked).toBeGreaterThan(0);
});

describe('lockFile(), when calls of the system fail', () => {
  const always = { from: 0, to: Number.POSITIVE_INFINITY };

  test.each(['EACCES', 'EIO', 'EROFS'])('frees a lock that cannot be removed: %s', async (code) => {
    await withFaultyCalls({ kind: 'remove', ...always, code, folder }, async () => {
      expect(await lockFile(path, async () => 'result')).toBe('result');
    });
    expect(await tryToLock()).toBe('held');
    expect(existsSync(path)).toBe(false);
  });

  test('lets the lock go stale where it can be neither removed nor emptied', async () => {
    const options = { beatMs: 10, staleMs: 20 };
    await withFaultyCalls({ kind: 'remove', ...always, code: 'EROFS', folder }, () =>
      withFaultyCalls({ kind: 'write', from: 1, to: always.to, code: 'EROFS', folder }, () =>
        lockFile(path, async () => undefined, options),
      ),
    );
    expect(await codeOf(() => lockFile(path, async () => 'held'))).toBe('locked');
    age();
    expect(await lockFile(path, async () => 'held', options)).toBe('held');
  });

  test('throws what the operation threw, not why the lock stays', async () => {
    const fail = () => lockFile(path, () => Promise.reject(new RangeError('of the operation')));
    await withFaultyCalls({ kind: 'remove', ...always, code: 'EIO', folder }, () =>
      expect(fail()).rejects.toThrow('of the operation'),
    );
    expect(await tryToLock()).toBe('held');
  });
});

describe('lockFile(), on a file that is no lock', () => {
  test.each([
    'null',
    '7',
    '[]',
    '{}',
    '{"pid":-1}',
    '{"pid":"1"}',
    '{"pid":1,"boot":{}}',
    '#!/bin/sh',
    `7${' '.repeat(5_000)}`,
  ])('says so, and leaves it alone: %.20s', async (content) => {
    for (const name of [path, `${path}.clearing`]) {
      if (name !== path) writeFileSync(path, JSON.stringify({ pid: 1, boot: 'an earlier run' }));
      writeFileSync(name, content);
      age(name);
      const { code, message } = await errorOf(() => lockFile(path, async () => 'held'));
      expect([code, message]).toEqual([
        'locked',
        expect.stringContaining(`"${name}": the file of that name is no lock`),
      ]);
      expect(readFileSync(name, 'utf8')).toBe(content);
    }
  });

  test.each(['', '\0\0\0', '{"p', '{"pid":12,"bo'])(
    'takes what a power loss left of one: %j',
    async (content) => {
      writeFileSync(path, content);
      expect(await tryToLock()).toBe('locked');
      age();
      expect(await tryToLock()).toBe('held');
    },
  );
});
