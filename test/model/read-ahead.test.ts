import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fingerprint } from '../../src/model/fingerprint.js';
import type { ModelFiles } from '../../src/model/model-files.js';
import { openPlacedStore } from '../../src/model/placed-store.js';
import { openMemoryStore } from '../../src/model/store.js';
import { seededBytes } from '../support.js';

const PATH = 'weights.bin';

/** A file in memory that counts its reads and can fail one of them. */
function fileOf(bytes: Uint8Array) {
  const state = { reads: 0, failAt: Number.POSITIVE_INFINITY };
  const files: ModelFiles = {
    size: async () => bytes.length,
    async readInto(_, offset, target) {
      if (state.reads++ === state.failAt) throw new Error('the disk failed');
      if (offset + target.length > bytes.length) throw new Error(`no bytes at ${offset}`);
      await Promise.resolve();
      target.set(bytes.subarray(offset, offset + target.length));
    },
    write: async (_, offset, written) => bytes.set(written, offset),
    flush: async () => undefined,
    close: async () => undefined,
  };
  return { files, state };
}

/** Tensors of the given sizes, one after the other in a file. */
function placedOf(sizes: readonly number[]) {
  let offset = 0;
  return sizes.map((length, i) => {
    const extents = [{ path: PATH, offset, length }];
    offset += length;
    return { name: `t${i}`, dtype: 'uint8' as const, shape: [length], extents };
  });
}

function open(sizes: readonly number[]) {
  const bytes = seededBytes(
    7,
    sizes.reduce((sum, size) => sum + size, 0),
  );
  const file = fileOf(bytes);
  const placed = placedOf(sizes);
  return { ...file, bytes, placed, store: openPlacedStore(file.files, placed) };
}

const SMALL = Array.from({ length: 1_000 }, () => 1_024);

describe('a store of many small tensors', () => {
  test('reads each byte as the file has it, in any order, also at once, and after writes', async () => {
    const size = fc.oneof(
      fc.nat({ max: 3 }),
      fc.nat({ max: 20_000 }),
      fc.constantFrom(16_384, 16_385, 65_536),
    );
    const step = fc.record({ tensor: fc.nat(), run: fc.integer({ min: 1, max: 8 }), writes: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(
        fc.array(size, { minLength: 1, maxLength: 12 }).filter((sizes) => sizes.some((each) => each > 0)),
        fc.array(step, { maxLength: 12 }),
        async (sizes, steps) => {
          const { store, bytes, placed } = open(sizes);
          for (const { tensor, run, writes } of steps) {
            const from = tensor % placed.length;
            const chosen = placed.slice(from, from + run);
            if (writes) {
              const { name, shape } = chosen.at(-1) as (typeof placed)[number];
              await store.write(name, 0, new Uint8Array(shape[0] as number).fill(run));
            }
            const read = chosen.map(async ({ name, shape, extents }) => {
              const target = new Uint8Array(shape[0] as number);
              await store.readInto(name, 0, target);
              const { offset, length } = extents[0] as { offset: number; length: number };
              expect(Buffer.compare(target, bytes.subarray(offset, offset + length))).toBe(0);
            });
            await Promise.all(read);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('takes few reads for all of them, in the order of bytes and in that of numbers in names', async () => {
    const { store, state, placed, bytes } = open(SMALL);
    const expected = await fingerprint(
      openMemoryStore({
        tensors: placed.map(({ name, dtype, shape, extents: [at] }) => ({
          ...{ name, dtype, shape },
          bytes: bytes.subarray(at?.offset, (at?.offset as number) + (at?.length as number)),
        })),
      }),
    );
    expect(await fingerprint(store)).toBe(expected);
    expect(state.reads).toBeLessThan(40);
    state.reads = 0;
    const target = new Uint8Array(1_024);
    for (const { name } of [...placed].sort((a, b) => (a.name < b.name ? -1 : 1)))
      await store.readInto(name, 0, target);
    expect(state.reads).toBeLessThan(100);
  });

  test('returns no bytes that were written since, or were returned already', async () => {
    const { store, state } = open(SMALL);
    const target = new Uint8Array(1_024);
    const readsOf = async (name: string): Promise<number> => {
      const { reads } = state;
      await store.readInto(name, 0, target);
      return state.reads - reads;
    };
    expect([await readsOf('t0'), await readsOf('t1'), await readsOf('t2')]).toEqual([1, 1, 0]);
    await store.write('t3', 0, new Uint8Array(1_024).fill(7));
    expect([await readsOf('t3'), new Set(target)]).toEqual([1, new Set([7])]);
    expect([await readsOf('t4'), await readsOf('t4')]).toEqual([0, 1]);
    await store.flush();
    expect(await readsOf('t5')).toBe(1);
  });

  test('sees what another process wrote when it reads the model again', async () => {
    const { store, bytes } = open(SMALL);
    const before = await fingerprint(store);
    bytes[500_000] = (bytes[500_000] as number) ^ 1;
    expect(await fingerprint(store)).not.toBe(before);
    bytes[500_000] = (bytes[500_000] as number) ^ 1;
    expect(await fingerprint(store)).toBe(before);
  });

  test('passes on the error of whichever read fails, and reads again after it', async () => {
    const { store, state } = open(SMALL.slice(0, 300));
    const expected = await fingerprint(store);
    const { reads } = state;
    for (let failAt = 0; failAt < reads; failAt++) {
      Object.assign(state, { reads: 0, failAt });
      await expect(fingerprint(store)).rejects.toThrow('the disk failed');
      expect(await fingerprint(store)).toBe(expected);
    }
  });

  test('reads nothing behind the last tensor', async () => {
    const { files } = fileOf(seededBytes(1, 3_000));
    const store = openPlacedStore(files, placedOf([1_000, 1_000, 1_000]));
    await expect(fingerprint(store)).resolves.toHaveLength(32);
  });

  test('stops between two tensors when its signal is aborted', async () => {
    const { store } = open(SMALL);
    const controller = new AbortController();
    const seen: number[] = [];
    const reading = fingerprint(store, {
      signal: controller.signal,
      onProgress({ done }) {
        seen.push(done);
        if (done === 10_240) controller.abort(new Error('stopped'));
      },
    });
    await expect(reading).rejects.toThrow('stopped');
    expect(seen.at(-1)).toBe(10_240);
  });
});
