import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type * as ThreadsRoom from '../../src/diff-threads/index.js';
import type * as ExactRoom from '../../src/exact-diff/index.js';
import type * as ModelRoom from '../../src/model/index.js';
import { seededBytes } from '../support.js';

// Threads run what is built.
const BUILT = join(import.meta.dirname, '..', '..', 'dist', 'src');
const built = (path: string) => import(pathToFileURL(join(BUILT, path)).href);
const { createDiffThreads } = (await built('diff-threads/index.js')) as typeof ThreadsRoom;
const { diffStores, createMemorySpool } = (await built('exact-diff/index.js')) as typeof ExactRoom;
const { concatBytes, equalBytes, NeuralDiffError, openMemoryStore } = (await built(
  'model/index.js',
)) as typeof ModelRoom;

/** Five groups: of a tensor, of a tensor and a short one that is set anew, of many changes in few places, and so on. */
function models(): { base: ModelRoom.Model; next: ModelRoom.Model } {
  const large = [2_100, 4_000];
  const weights = new Uint8Array(
    new Float32Array(2_100 * 4_000).map((_, i) => Math.fround((i % 977) / 1e4)).buffer,
  );
  const base: ModelRoom.Tensor[] = [0, 1, 2, 3, 4].map((i) => {
    return { name: `layer${i}`, dtype: 'float32', shape: large, bytes: weights };
  });
  base.push({ name: 'layer1/bias', dtype: 'float16', shape: [40_000], bytes: scattered(1) });
  const next = base.map((tensor, i) => ({ ...tensor, bytes: touch(tensor.bytes, 4 * (97 + 1_000 * i)) }));
  (next[5] as { bytes: Uint8Array }).bytes = scattered(2);
  return { base: { tensors: base }, next: { tensors: next } };
}

/** Weights of float16 of one exponent. */
function scattered(seed: number): Uint8Array {
  return seededBytes(seed, 80_000).map((byte, i) => (i % 2 === 0 ? byte : (byte & 0x80) | 0x34));
}

function touch(bytes: Uint8Array, step: number): Uint8Array {
  const touched = bytes.slice();
  for (let at = 0; at < touched.length; at += step) touched[at] = (touched[at] as number) ^ (1 + (at % 7));
  return touched;
}

const { base, next } = models();
const threads = createDiffThreads({ count: 2 });
afterAll(() => threads.close());

async function payloadOf(options: ExactRoom.DiffOptions): Promise<Uint8Array> {
  const { pieces } = await diffStores(openMemoryStore(base), openMemoryStore(next), options);
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece.slice());
  return concatBytes(parts);
}

let expected: Uint8Array;
beforeAll(async () => {
  expected = await payloadOf({});
});

/** Expects that threads still do what they are asked. */
async function expectSound(): Promise<void> {
  expect(equalBytes(await payloadOf({ coder: threads }), expected)).toBe(true);
}

test('the payload is the same however many threads there are', async () => {
  await expectSound();
  const many = createDiffThreads({ count: 7 });
  expect(equalBytes(await payloadOf({ coder: many }), expected)).toBe(true);
  await many.close();
  expect(expected.length).toBeGreaterThan(80_000);
});

test.each(['choose', 'encode', 'check'] as const)(
  'work that is stopped in phase %s leaves threads sound',
  async (phase) => {
    const stop = new AbortController();
    let written = 0;
    let isOver = false;
    const memory = createMemorySpool();
    const spool = {
      ...memory,
      write(bytes: Uint8Array) {
        expect(isOver).toBe(false);
        written += bytes.length;
        memory.write(bytes);
      },
    };
    const onProgress = (report: ExactRoom.DiffProgress): void => {
      if (report.phase === phase && report.bytesDone > 2 ** 20) stop.abort(new Error('enough'));
    };
    const work = payloadOf({ coder: threads, signal: stop.signal, onProgress, spool });
    await expect(work).rejects.toThrow('enough');
    // Nothing is written behind the caller's back.
    isOver = true;
    const before = written;
    await expectSound();
    expect(written).toBe(before);
  },
);

describe('what fails here reaches the caller, and threads stay sound:', () => {
  const broken = (): never => {
    throw new NeuralDiffError('no-space', 'Cannot write: the disk is full');
  };

  test('a spool that is full', async () => {
    const spool = { ...createMemorySpool(), write: broken };
    await expect(payloadOf({ coder: threads, spool })).rejects.toMatchObject({ code: 'no-space' });
    await expectSound();
  });

  test('a record that a thread waits for', async () => {
    const memory = createMemorySpool();
    const spool = { ...memory, read: () => ({ ...memory.read(), borrow: broken }) };
    await expect(payloadOf({ coder: threads, spool })).rejects.toMatchObject({ code: 'no-space' });
    await expectSound();
  });

  test('a record of which a thread finds something else', async () => {
    const memory = createMemorySpool();
    const flip = (bytes: Uint8Array): Uint8Array => bytes.map((byte, i) => (i === 500 ? byte ^ 0x10 : byte));
    const spool = { ...memory, write: (bytes: Uint8Array) => memory.write(flip(bytes)) };
    await expect(payloadOf({ coder: threads, spool })).rejects.toThrow(/gives another|Cannot read payload/);
    await expectSound();
  });

  test('a model that cannot be read', async () => {
    const store = openMemoryStore(next);
    let reads = 0;
    const readInto: typeof store.readInto = (...request) =>
      reads++ > 220 ? broken() : store.readInto(...request);
    const work = diffStores(openMemoryStore(base), { ...store, readInto }, { coder: threads });
    await expect(work).rejects.toMatchObject({ code: 'no-space' });
    expect(reads).toBeGreaterThan(220);
    await expectSound();
  });
});

test.each(['encode', 'check'] as const)('threads that are ended in phase %s end the work', async (phase) => {
  const own = createDiffThreads({ count: 2 });
  let ended: Promise<void> | undefined;
  const onProgress = (report: ExactRoom.DiffProgress): void => {
    if (report.phase === phase) ended ??= own.close();
  };
  await expect(payloadOf({ coder: own, onProgress })).rejects.toThrow('A thread has ended');
  await ended;
  // They begin anew.
  expect(equalBytes(await payloadOf({ coder: own }), expected)).toBe(true);
  await own.close();
});

test('two diffs at once take turns', async () => {
  const payloads = await Promise.all([payloadOf({ coder: threads }), payloadOf({ coder: threads })]);
  for (const payload of payloads) expect(equalBytes(payload, expected)).toBe(true);
});

test('stores may say of their tensors what cannot be sent to a thread', async () => {
  const talkative = ({ tensors }: ModelRoom.Model): ModelRoom.WeightStore => {
    const infos = tensors.map((tensor) => ({ ...tensor, describe: () => tensor.name }));
    return { ...openMemoryStore({ tensors }), tensors: infos };
  };
  const { payloadBytes } = await diffStores(talkative(base), talkative(next), { coder: threads });
  expect(payloadBytes).toBe(expected.length);
});

test('a coder without lanes is refused', async () => {
  const coder: ExactRoom.Coder = { use: (work) => work([]) };
  await expect(payloadOf({ coder })).rejects.toThrow(RangeError);
});

test.each([0, -1, 1.5, 17, Number.NaN])('createDiffThreads() refuses %d threads', (count) => {
  expect(() => createDiffThreads({ count })).toThrow(RangeError);
});
