// Runs in Node, in pages and in workers: what every disk must do.
import type { Disk } from 'neural-diff/storage';

/** Something to do with a disk, of which nothing is used elsewhere, and what must come of it. */
export interface DiskCase {
  readonly name: string;
  readonly run: (disk: Disk) => Promise<unknown>;
  readonly expected: unknown;
}

const KIB = 2 ** 10;
const MIB = 2 ** 20;

/** Where disks that keep files in pieces have borders, and a byte on either side of them. */
const BORDERS = [64 * KIB, MIB, 4 * MIB].flatMap((size) => [size - 1, size, size + 1]);

export const DISK_CASES: readonly DiskCase[] = [
  {
    name: 'size() is that of the file, and undefined without one',
    async run(disk) {
      await disk.write('a/b/c', 0, bytesOf(3));
      await disk.write('a/empty', 0, bytesOf(0));
      return Promise.all(
        ['a/b/c', 'a/empty', 'a/none', 'none/at/all', 'a/b/c/d'].map((path) => disk.size(path)),
      );
    },
    expected: [3, 0, undefined, undefined, undefined],
  },
  {
    name: 'write() makes a file longer, and a hole holds zeros',
    async run(disk) {
      await disk.write('file', 2, bytesOf(2));
      await disk.write('file', 7, bytesOf(1));
      const before = [...(await readAll(disk, 'file'))];
      await disk.write('file', 3, bytesOf(3, 50));
      return [before, [...(await readAll(disk, 'file'))]];
    },
    expected: [
      [0, 0, 1, 2, 0, 0, 0, 1],
      [0, 0, 1, 50, 51, 52, 0, 1],
    ],
  },
  {
    name: 'write() leaves holes of zeros wider than any piece, and a longer file has them where it had none',
    async run(disk) {
      const model = new Uint8Array(3 * MIB + 5);
      for (const [offset, length] of [
        [10, 5],
        [MIB + 70 * KIB, 9],
        [3 * MIB, 5],
      ] as const) {
        await disk.write('file', offset, bytesOf(length));
        model.set(bytesOf(length), offset);
      }
      return isSame(model, await readAll(disk, 'file'));
    },
    expected: true,
  },
  {
    name: 'write() and readInto() cross the borders of pieces',
    async run(disk) {
      const wrong: number[] = [];
      for (const size of BORDERS) {
        const bytes = bytesOf(size, size % 97);
        await disk.write(`${size}`, 0, bytes);
        await disk.sync(`${size}`);
        if (!isSame(bytes, await readAll(disk, `${size}`))) wrong.push(size);
        const around = new Uint8Array(2);
        await disk.readInto(`${size}`, size - 2, around);
        if (!isSame(around, bytes.subarray(size - 2))) wrong.push(-size);
      }
      return wrong;
    },
    expected: [],
  },
  {
    name: 'many writes at random, synced now and then, give what they give in memory',
    run: (disk) => writeAtRandom(disk),
    expected: [],
  },
  {
    name: 'write() and readInto() keep to the views that they get, which the caller may use again',
    async run(disk) {
      const room = bytesOf(100);
      await disk.write('file', 0, room.subarray(10, 20));
      room.fill(200);
      await disk.write('file', 5, room.subarray(0, 1));
      await disk.readInto('file', 4, room.subarray(50, 53));
      return [await disk.size('file'), [...room.subarray(48, 55)]];
    },
    expected: [10, [200, 200, 15, 200, 17, 200, 200]],
  },
  {
    name: 'readInto() refuses to read behind the end, and what is not there',
    async run(disk) {
      await disk.write('file', 0, bytesOf(4));
      return [
        await codeOf(disk.readInto('file', 2, new Uint8Array(3))),
        await codeOf(disk.readInto('file', 9, new Uint8Array(1))),
        await codeOf(disk.readInto('none', 0, new Uint8Array(1))),
        await codeOf(disk.readInto('no/ne', 0, new Uint8Array(1))),
        await codeOf(disk.readInto('file', 4, new Uint8Array(0))),
      ];
    },
    expected: ['file-unreadable', 'file-unreadable', 'file-not-found', 'file-not-found', 'fine'],
  },
  {
    name: 'sync() refuses what is not there',
    async run(disk) {
      await disk.write('file', 0, bytesOf(4));
      await disk.sync('file');
      await disk.sync('file');
      await disk.syncDirectory('');
      await disk.syncDirectory('none');
      return [await codeOf(disk.sync('none')), await codeOf(disk.sync('no/ne')), await disk.size('none')];
    },
    expected: ['file-not-found', 'file-not-found', undefined],
  },
  {
    name: 'rename() puts a file in place of another one, synced or not, and into a folder that was not there',
    async run(disk) {
      await disk.write('file', 0, bytesOf(5, 70));
      await disk.write('staged', 0, bytesOf(3, 9));
      await disk.rename('staged', 'file');
      const first = [...(await readAll(disk, 'file'))];
      await disk.write('staged', 0, bytesOf(70 * KIB));
      await disk.sync('staged');
      await disk.rename('staged', 'file');
      await disk.rename('file', 'some/where/else');
      return [first, isSame(await readAll(disk, 'some/where/else'), bytesOf(70 * KIB)), await disk.list('')];
    },
    expected: [[9, 10, 11], true, ['some/where/else']],
  },
  {
    name: 'rename() gives a file its own name, and refuses what is not there',
    async run(disk) {
      await disk.write('file', 0, bytesOf(5));
      await disk.rename('file', 'file');
      const code = await codeOf(disk.rename('none', 'file'));
      return [code, await codeOf(disk.rename('no/ne', 'file')), [...(await readAll(disk, 'file'))]];
    },
    expected: ['file-not-found', 'file-not-found', [1, 2, 3, 4, 5]],
  },
  {
    name: 'remove() takes a file away with what was not synced, and does nothing without one',
    async run(disk) {
      await disk.write('a/file', 0, bytesOf(100));
      await disk.sync('a/file');
      await disk.write('a/file', 90, bytesOf(100));
      await disk.remove('a/file');
      await disk.remove('a/file');
      await disk.remove('no/ne');
      await disk.write('a/file', 1, bytesOf(1));
      return [[...(await readAll(disk, 'a/file'))], await disk.list('')];
    },
    expected: [[0, 1], ['a/file']],
  },
  {
    name: 'list() names the files below a folder and no others',
    async run(disk) {
      for (const path of ['b/c/d', 'b/a', 'b.c', 'b0', 'bc/d', 'a', 'größe/重み'])
        await disk.write(path, 0, bytesOf(1));
      return Promise.all(['', 'b', 'b/c', 'größe', 'none', 'a'].map((folder) => disk.list(folder)));
    },
    expected: [
      ['a', 'b.c', 'b/a', 'b/c/d', 'b0', 'bc/d', 'größe/重み'],
      ['b/a', 'b/c/d'],
      ['b/c/d'],
      ['größe/重み'],
      [],
      [],
    ],
  },
  {
    name: 'withLock() keeps others away until what runs has ended, well or not',
    async run(disk) {
      const second = async (name: string): Promise<string> => codeOf(disk.withLock(name, async () => {}));
      const during = await disk.withLock('not/there/yet', async () => [
        await second('not/there/yet'),
        await second('not/there/either'),
      ]);
      const failed = await codeOf(
        disk.withLock('not/there/yet', () => disk.readInto('none', 0, new Uint8Array(1))),
      );
      return [during, failed, await second('not/there/yet'), await disk.list('')];
    },
    expected: [['locked', 'fine'], 'file-not-found', 'fine', []],
  },
];

/** Paths that lead out of the disk: those that keep files on a device refuse them. */
export const UNSAFE_PATHS = ['../up', '/top', 'a//b', 'a/../b', './a', 'a\\b', 'a/'];

/** @returns the codes with which a disk refuses unsafe paths, whatever it is asked to do with them */
export async function codesOfUnsafe(disk: Disk): Promise<string[]> {
  const codes = new Set<string>();
  for (const path of UNSAFE_PATHS) {
    const byte = new Uint8Array(1);
    const acts = [
      () => disk.size(path),
      () => disk.readInto(path, 0, byte),
      () => disk.write(path, 0, byte),
      () => disk.sync(path),
      () => disk.rename(path, 'a'),
      () => disk.rename('a', path),
      () => disk.remove(path),
      () => disk.list(path),
      () => disk.withLock(path, async () => {}),
    ];
    for (const act of acts) codes.add(await codeOf(act()));
  }
  return [...codes];
}

/** @returns the steps, of many, at which the disk was another than its model in memory */
async function writeAtRandom(disk: Disk): Promise<number[]> {
  const random = createRandom(5);
  const wrong: number[] = [];
  const models = new Map<string, Uint8Array>();
  for (let step = 0; step < 150; step++) {
    const path = `file${random() % 3}`;
    const offset = random() % (300 * KIB);
    const bytes = bytesOf(random() % (step % 10 === 0 ? 200 * KIB : 5_000), step);
    await disk.write(path, offset, bytes);
    models.set(path, overwrite(models.get(path), offset, bytes));
    if (step % 7 === 0) await disk.sync(path);
    const part = (models.get(path) as Uint8Array).subarray(Math.max(0, offset - 100), offset + 20_000);
    const found = new Uint8Array(part.length);
    await disk.readInto(path, Math.max(0, offset - 100), found);
    if (!isSame(part, found)) wrong.push(step);
  }
  for (const [path, model] of models) if (!isSame(model, await readAll(disk, path))) wrong.push(-1);
  return wrong;
}

function overwrite(before: Uint8Array = new Uint8Array(0), offset: number, bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) return before;
  const after = new Uint8Array(Math.max(before.length, offset + bytes.length));
  after.set(before);
  after.set(bytes, offset);
  return after;
}

async function readAll(disk: Disk, path: string): Promise<Uint8Array> {
  const bytes = new Uint8Array((await disk.size(path)) ?? 0);
  await disk.readInto(path, 0, bytes);
  return bytes;
}

/** @returns what became of an attempt: `fine`, or the code of the refusal */
export async function codeOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
    return 'fine';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

function bytesOf(length: number, first = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => first + i + (i >>> 8));
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** mulberry32 */
function createRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}
