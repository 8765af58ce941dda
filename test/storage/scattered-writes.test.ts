import { describe, expect, test } from 'vitest';
import { openSafetensorsStore } from '../../src/containers/safetensors.js';
import type { ModelFiles } from '../../src/model/model-files.js';
import type { Disk } from '../../src/storage/disk.js';
import { openInPlace } from '../../src/storage/in-place.js';
import { fingerprintOf } from '../../src/storage/storage.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { cutEverywhere } from '../rig/cut-everywhere.js';
import { createFaultyDisk } from '../rig/faulty-disk.js';
import { createRandom, seededTensor } from '../support.js';
import { MAIN } from './storages.js';

const openModel = (files: ModelFiles) => openSafetensorsStore(files, MAIN);
const open = (disk: Disk) => openInPlace({ disk, folder: '', journal: 'undo', openModel });

/** A model of tensors of the given sizes, on a disk. */
async function modelOf(sizes: readonly number[]) {
  const tensors = sizes.map((size, i) => seededTensor(`t${i}`, 'int8', [size], i + 1));
  const file = writeSafetensors({ tensors });
  const disk = createFaultyDisk(new Map([[MAIN, file]]));
  const names = { base: await fingerprintOf(open(disk)), next: '0'.repeat(32) };
  return { disk, file, names, tensors };
}

type Scattered = Awaited<ReturnType<typeof modelOf>>;

/** Writes to random places, some of which overlap, and reads some back; `bytes` follows. */
function scatter({ disk, names, tensors }: Scattered, bytes: readonly Uint8Array[], seed: number) {
  const random = createRandom(seed);
  return open(disk).update(async (store) => {
    for (let i = 0; i < 2_500; i++) {
      const index = random() % tensors.length;
      const whole = bytes[index] as Uint8Array;
      const start = random() % whole.length;
      const part = whole.subarray(start, start + 1 + (random() % 60_000));
      if (i % 50 === 0) {
        const read = new Uint8Array(part.length);
        await store.readInto(`t${index}`, start, read);
        expect(Buffer.compare(read, part)).toBe(0);
      } else {
        part.fill(random());
        await store.write(`t${index}`, start, part);
      }
    }
  }, names);
}

describe('writes to scattered places of a model in place', () => {
  test.each([1, 2, 3])(
    'are all there after the update, and none of them after a rollback (%i)',
    async (seed) => {
      // Writes of tensors that lie side by side, more of them and of more bytes than are held back.
      const model = await modelOf([...Array(12).fill(90_000), ...Array(1_500).fill(7), 300_000]);
      const bytes = model.tensors.map((tensor) => tensor.bytes.slice());
      await scatter(model, bytes, seed);
      const store = await open(model.disk).open();
      for (const [i, expected] of bytes.entries()) {
        const found = new Uint8Array(expected.length);
        await store.readInto(`t${i}`, 0, found);
        expect(Buffer.compare(found, expected)).toBe(0);
      }
      await store.close();
      expect(await open(model.disk).rollback()).toBe(true);
      expect(Buffer.compare(model.disk.content(MAIN), model.file)).toBe(0);
    },
  );

  /** The order of names in which 1 is followed by 10, then by 100. */
  const COUNT = 1_100;
  const ORDER = Array.from({ length: COUNT }, (_, i) => `t${i}`).sort();

  test('are written, and saved in the journal, together where they are neighbours', async () => {
    const { disk, names } = await modelOf(Array(COUNT).fill(500));
    await open(disk).update(async (store) => {
      for (const name of ORDER) await store.write(name, 0, new Uint8Array(500).fill(9));
    }, names);
    const writes = disk.log.filter((line) => line.startsWith('write'));
    expect(writes.length).toBeLessThan(60);
  });

  test('leave the base when the power goes at any operation', async () => {
    const { disk, names, file } = await modelOf(Array(10).fill(900));
    const order = [0, 6, 1, 7, 6];
    const { operations } = await cutEverywhere({
      disk,
      act: (cut) =>
        open(cut).update(
          async (store) => {
            for (const i of order) await store.write(`t${i}`, 0, new Uint8Array(900).fill(i));
          },
          { ...names, next: names.base },
        ),
      recover: async (cut) => void (await open(cut).recover()),
      check: async (cut) => {
        await open(cut).rollback();
        const found = new Uint8Array(file.length);
        await cut.readInto(MAIN, 0, found);
        expect(Buffer.compare(found, file)).toBe(0);
      },
      survivals: [{ seed: 3 }],
    });
    expect(operations).toBeGreaterThan(20);
  });
});
