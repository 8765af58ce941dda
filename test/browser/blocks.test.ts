import { expect, test } from 'vitest';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryStore } from '../../src/model/store.js';
import type { Diff } from '../../src/payload/diff.js';
import { encodePayload } from '../../src/payload/encode.js';
import { patchModel } from '../../src/payload/patch.js';
import { createRandom, seededTensor } from '../support.js';
import { bundleForBrowser } from './bundle.js';
import { type Blocks, createModel } from './count-blocks.js';
import { useChromium } from './session.js';

const ELEMENTS = 768 * 1_024;
const random = createRandom(12);
const levels = Int8Array.from({ length: ELEMENTS }, () => (random() % 255) - 127);

/** Diffs that take long to read: each has something for every element. */
const DIFFS: Readonly<Record<string, Diff>> = {
  set: { ops: [{ kind: 'set', tensor: 'kernel', bytes: seededTensor('', 'float32', [ELEMENTS]).bytes }] },
  dense: { ops: [{ kind: 'dense', tensor: 'kernel', scale: 0.125, levels }] },
  exact: {
    ops: [
      {
        kind: 'exact',
        tensor: 'kernel',
        positions: Uint32Array.from(levels.keys()),
        levels: Int32Array.from(levels, (level) => 1_000 * level + 1),
      },
    ],
  },
  hash: {
    ops: [
      {
        kind: 'hash',
        tensors: [{ tensor: 'kernel', scale: 0.125 }],
        seed: 1,
        block: 1,
        buckets: { coding: 'levels', values: levels },
      },
    ],
  },
};

/** A machine that is busy with something else may hold up any task. */
const ATTEMPTS = 4;

const base = createModel();
const baseFingerprint = await fingerprint(openMemoryStore(base));
const nexts = new Map<string, string>();

const session = useChromium(async () => {
  const files: [string, Uint8Array][] = [];
  for (const [name, diff] of Object.entries(DIFFS)) {
    const next = await fingerprint(openMemoryStore(patchModel(base, diff)));
    nexts.set(name, next);
    files.push([
      name,
      await encodePayload({ base: baseFingerprint, next, tensors: base.tensors, meta: {} }, diff),
    ]);
  }
  return { bundle: await bundleForBrowser('count-blocks.ts'), files };
});

const inPage = (name: string, abortAfter?: number): Promise<Blocks> =>
  session.page.evaluate(
    `device.countBlocks(${JSON.stringify(`${session.server.origin}/${name}`)}, ${abortAfter})`,
  );

test.each(Object.keys(DIFFS))(
  'no task of a page takes over 50 ms while diff "%s" is applied',
  async (name) => {
    const longest: number[] = [];
    for (let attempt = 0; attempt < ATTEMPTS && longest.at(-1) !== 0; attempt++) {
      const { outcome, fingerprint: found, longTasks } = await inPage(name);
      expect([outcome, found]).toEqual(['applied', nexts.get(name)]);
      longest.push(Math.max(0, ...longTasks));
    }
    expect(Math.min(...longest), `longest tasks: ${longest} ms`).toBe(0);
  },
);

test('a signal is heard within a chunk and leaves the base', async () => {
  const outcome = { outcome: 'AbortError', fingerprint: baseFingerprint };
  expect(await inPage('set', 3)).toMatchObject(outcome);
});
