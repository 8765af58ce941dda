import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type * as DiffStores from '../../../src/exact-diff/diff-stores.js';
import type { Coder } from '../../../src/exact-diff/lane.js';
import type * as SpooledRecords from '../../../src/exact-diff/spooled-records.js';
import type * as Threads from '../../../src/exact-diff/threads/diff-threads.js';
import type * as Bytes from '../../../src/model/bytes.js';
import type * as Errors from '../../../src/model/errors.js';
import type { Progress } from '../../../src/model/progress.js';
import type * as Store from '../../../src/model/store.js';
import type { WeightStore } from '../../../src/model/store.js';
import type { Model, Tensor } from '../../../src/model/tensor.js';
import { EXHAUSTIVE } from '../../exhaustive.js';
import { seededBytes } from '../../support.js';

// Threads run what is built.
const BUILT = join(import.meta.dirname, '..', '..', '..', 'dist', 'src');
const built = (path: string) => import(pathToFileURL(join(BUILT, path)).href);
const { createDiffThreads } = (await built('exact-diff/threads/diff-threads.js')) as typeof Threads;
const { diffStores } = (await built('exact-diff/diff-stores.js')) as typeof DiffStores;
const { createMemorySpool } = (await built('exact-diff/spooled-records.js')) as typeof SpooledRecords;
const { concatBytes, equalBytes } = (await built('model/bytes.js')) as typeof Bytes;
const { NeuralDiffError } = (await built('model/errors.js')) as typeof Errors;
const { openMemoryStore } = (await built('model/store.js')) as typeof Store;

/** Three groups: a tensor of many changes, another one, a short tensor that is set and one of few changes. */
function models(): { base: Model; next: Model } {
  const large = [2_100, 4_000];
  const weights = new Uint8Array(
    new Float32Array(2_100 * 4_000).map((_, i) => Math.fround((i % 977) / 1e4)).buffer,
  );
  const base: Tensor[] = [0, 1, 2].map((i) => {
    return { name: `layer${i}`, dtype: 'float32', shape: large, bytes: weights };
  });
  base.push({ name: 'layer1/bias', dtype: 'float16', shape: [40_000], bytes: scattered(1) });
  const next = base.map((tensor, i) => ({ ...tensor, bytes: touch(tensor.bytes, 4 * (97 + 2_000 * i)) }));
  (next[3] as { bytes: Uint8Array }).bytes = scattered(2);
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

async function payloadOf(options: DiffStores.DiffOptions): Promise<Uint8Array> {
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

test('the payload is the same for any number of threads', async () => {
  await expectSound();
  const many = createDiffThreads({ count: 7 });
  expect(equalBytes(await payloadOf({ coder: many }), expected)).toBe(true);
  await many.close();
  expect(expected.length).toBeGreaterThan(80_000);
});

test.each(['choose', 'encode', 'check'] as const)(
  'threads remain usable after a diff is stopped in phase %s',
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
    const onProgress = (report: Progress): void => {
      if (report.phase === phase && report.done > 2 ** 20) stop.abort(new Error('enough'));
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

describe('failures in this thread reach the caller, and threads remain usable:', () => {
  const broken = (): never => {
    throw new NeuralDiffError('no-space', 'Cannot write: the disk is full');
  };

  test('a full spool', async () => {
    const spool = { ...createMemorySpool(), write: broken };
    await expect(payloadOf({ coder: threads, spool })).rejects.toMatchObject({ code: 'no-space' });
    await expectSound();
  });

  test('a record that a thread is waiting for', async () => {
    const memory = createMemorySpool();
    const spool = { ...memory, read: () => ({ ...memory.read(), borrow: broken }) };
    await expect(payloadOf({ coder: threads, spool })).rejects.toMatchObject({ code: 'no-space' });
    await expectSound();
  });

  test('a record that a thread fails to verify', async () => {
    const memory = createMemorySpool();
    const flip = (bytes: Uint8Array): Uint8Array => bytes.map((byte, i) => (i === 500 ? byte ^ 0x10 : byte));
    const spool = { ...memory, write: (bytes: Uint8Array) => memory.write(flip(bytes)) };
    await expect(payloadOf({ coder: threads, spool })).rejects.toThrow(
      /Cannot verify the packed diff|Cannot read payload/,
    );
    await expectSound();
  });

  test('an unreadable model', async () => {
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

const CLOSED_IN = EXHAUSTIVE ? (['encode', 'check'] as const) : (['check'] as const);

test.each(CLOSED_IN)('closing the threads in phase %s fails the diff', async (phase) => {
  const own = createDiffThreads({ count: 2 });
  let ended: Promise<void> | undefined;
  const onProgress = (report: Progress): void => {
    if (report.phase === phase) ended ??= own.close();
  };
  await expect(payloadOf({ coder: own, onProgress })).rejects.toThrow('a worker thread has ended');
  await ended;
  // They begin again.
  expect(equalBytes(await payloadOf({ coder: own }), expected)).toBe(true);
  await own.close();
});

test('two concurrent diffs take turns', async () => {
  const payloads = await Promise.all([payloadOf({ coder: threads }), payloadOf({ coder: threads })]);
  for (const payload of payloads) expect(equalBytes(payload, expected)).toBe(true);
});

test('tensors of stores may have properties that cannot be sent to a thread', async () => {
  const talkative = ({ tensors }: Model): WeightStore => {
    const infos = tensors.map((tensor) => ({ ...tensor, describe: () => tensor.name }));
    return { ...openMemoryStore({ tensors }), tensors: infos };
  };
  const { payloadBytes } = await diffStores(talkative(base), talkative(next), { coder: threads });
  expect(payloadBytes).toBe(expected.length);
});

test('diffStores() refuses a coder without lanes', async () => {
  const coder: Coder = { use: (work) => work([]) };
  await expect(payloadOf({ coder })).rejects.toThrow(RangeError);
});

test.each([0, -1, 1.5, 17, Number.NaN])('createDiffThreads() refuses %d threads', (count) => {
  expect(() => createDiffThreads({ count })).toThrow(RangeError);
});
