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
              // Some at once, where the bytes are at hand.
              if ((run + tensor) % 3 === 0 || !store.readNow?.(name, 0, target))
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

  test('serves nearly all of them at once, and reads nothing for the others', async () => {
    const { store, placed, bytes, state } = open(SMALL);
    const target = new Uint8Array(1_024);
    let atOnce = 0;
    for (const { name, extents } of placed) {
      const { reads } = state;
      target.fill(0);
      if (store.readNow?.(name, 0, target)) atOnce++;
      else {
        expect([state.reads, target.some((byte) => byte !== 0)]).toEqual([reads, false]);
        await store.readInto(name, 0, target);
      }
      const start = extents[0]?.offset as number;
      expect(Buffer.compare(target, bytes.subarray(start, start + 1_024))).toBe(0);
    }
    expect(atOnce).toBeGreaterThan(980);
    expect(() => store.readNow?.('none', 0, target)).toThrow(RangeError);
    expect(() => store.readNow?.('t0', 1, target)).toThrow(RangeError);
  });

  test('serves no bytes at once that were written since, or read once already', async () => {
    const { store } = open(SMALL);
    const target = new Uint8Array(1_024);
    for (const name of ['t0', 't1']) await store.readInto(name, 0, target);
    await store.write('t2', 0, new Uint8Array(1_024).fill(7));
    expect(store.readNow?.('t2', 0, target)).toBe(false);
    await store.readInto('t2', 0, target);
    expect(new Set(target)).toEqual(new Set([7]));
    expect(store.readNow?.('t3', 0, target)).toBe(true);
    expect(store.readNow?.('t3', 0, target)).toBe(false);
    await store.flush();
    expect(store.readNow?.('t4', 0, target)).toBe(false);
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
