import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { digestOfWeights, keep } from '../../bench/common/keep.js';
import { programDigest } from '../../bench/common/program-digest.js';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'neural-diff-keep-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const program = async (name: string, text: string): Promise<URL> => {
  await writeFile(join(folder, name), text);
  return pathToFileURL(join(folder, name));
};

test('keep() makes a result once, and again for other inputs', async () => {
  const programs = [await program('train.js', 'export const rate = 1;\n')];
  const made: number[] = [];
  const take = (seed: number) =>
    keep(
      { what: 'weights', programs, inputs: { seed } },
      async () => {
        made.push(seed);
        return { seed, weights: new Map([['kernel', Float32Array.of(0.5, -0, Number.NaN)]]) };
      },
      join(folder, 'kept'),
    );
  const [first, again, other] = [await take(1), await take(1), await take(2)];
  expect(made).toEqual([1, 2]);
  expect([first, again, other].map(({ isKept }) => isKept)).toEqual([false, true, false]);
  expect(again.value).toEqual(first.value);
  expect(await readdir(join(folder, 'kept'))).toHaveLength(2);
});

test('keep() keeps nothing of what failed', async () => {
  const source = { what: 'weights', programs: [], inputs: {} };
  const failing = keep(source, () => Promise.reject(new Error('diverged')), join(folder, 'kept'));
  await expect(failing).rejects.toThrow('diverged');
  const { isKept } = await keep(source, async () => 1, join(folder, 'kept'));
  expect(isKept).toBe(false);
});

test('programDigest() changes with an imported file and with the program of a thread', async () => {
  const entry = (name: string) =>
    program(name, `import { rate } from './rate.js';\nnew URL('./thread.js', import.meta.url);\n`);
  const digests: string[] = [];
  for (const [i, [rate, thread]] of [
    ['1', 'a'],
    ['2', 'a'],
    ['2', 'b'],
    ['1', 'a'],
  ].entries()) {
    await program('rate.js', `export const rate = ${rate};\n`);
    await program('thread.js', `// ${thread}\n`);
    await program('unrelated.js', `// ${i}\n`);
    // Digests are remembered by the program's path.
    digests.push(programDigest(await entry(`entry${i}.js`)));
  }
  expect(new Set(digests).size).toBe(3);
  expect(digests[3]).toBe(digests[0]);
});

test('digestOfWeights() changes with a name and with the sign of a zero', () => {
  const digests = [
    digestOfWeights([['a', Float32Array.of(0)]]),
    digestOfWeights([['b', Float32Array.of(0)]]),
    digestOfWeights([['a', Float32Array.of(-0)]]),
  ];
  expect(new Set(digests).size).toBe(3);
});
