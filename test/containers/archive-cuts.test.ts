import { expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { openContainer } from '../../src/containers/open-container.js';
import { crc32, readZip } from '../../src/containers/zip.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { copyModel, type WeightStore } from '../../src/model/store.js';
import { openPayload } from '../../src/payload/open-payload.js';
import type { Disk } from '../../src/storage/disk.js';
import { openInPlace } from '../../src/storage/in-place.js';
import type { ModelStorage } from '../../src/storage/storage.js';
import { EXHAUSTIVE } from '../exhaustive.js';
import { cutEverywhere } from '../rig/cut-everywhere.js';
import { createFaultyDisk, type Survival } from '../rig/faulty-disk.js';
import { pack, seededBytes, seededFloats, seededTensor } from '../support.js';
import { writeHdf5 } from './write-hdf5.js';
import { npyFloats, writeZip } from './write-npz.js';

const FILE = 'model';

const SURVIVALS: readonly Survival[] = EXHAUSTIVE ? ['all', 'none', { seed: 1 }] : [{ seed: 1 }];

/** Archives of several pages: the checksums lie in others than what changes. */
const ARCHIVES: Readonly<Record<string, () => Uint8Array>> = {
  npz: () =>
    writeZip([
      { name: 'a.npy', bytes: npyFloats(seededFloats(1, 3_000)), method: 0 },
      { name: 'b.npy', bytes: npyFloats(seededFloats(2, 3_000)), method: 0 },
    ]),
  keras: () =>
    writeZip([
      { name: 'config.json', bytes: new TextEncoder().encode('{}'), method: 0 },
      {
        name: 'model.weights.h5',
        bytes: writeHdf5({ tensors: ['a', 'b'].map((name) => seededTensor(name, 'float32', [3_000])) }),
        method: 0,
      },
      { name: 'assets/words.txt', bytes: seededBytes(4, 5_000), method: 0 },
    ]),
};

const open = (bytes: Uint8Array): Promise<WeightStore> =>
  openContainer(openMemoryFiles(new Map([[FILE, bytes]])), FILE);

const storageOn = (disk: Disk): ModelStorage =>
  openInPlace({
    disk,
    folder: '',
    journal: `${FILE}.undo`,
    openModel: (files) => openContainer(files, FILE),
  });

/** @returns a payload that changes two tensors, each in its first and its last page */
async function payloadFor(bytes: Uint8Array): Promise<Uint8Array> {
  const positions = Uint32Array.of(0, 2_999);
  const ops = ['a', 'b'].map((tensor) => {
    return { kind: 'sparse', tensor, scale: 0.25, positions, levels: Int16Array.of(3, -2) } as const;
  });
  return (await pack(await copyModel(await open(bytes)), { ops })).payload;
}

/** Expects both copies of every entry's checksum to be what it should be. */
async function expectWhole(bytes: Uint8Array): Promise<void> {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (const { start, end, checksums } of await readZip(openMemoryFiles(new Map([[FILE, bytes]])), FILE)) {
    const crc = crc32(bytes.subarray(start, end));
    expect(checksums.map((at) => view.getUint32(at, true))).toEqual([crc, crc]);
  }
}

test.each(Object.keys(ARCHIVES))(
  'an archive whose update is cut anywhere is base or next, byte for byte, checksums included: %s',
  async (kind) => {
    const base = ARCHIVES[kind]?.() as Uint8Array;
    const payload = await payloadFor(base);
    const next = base.slice();
    await applyPayload(await open(next), payload);
    await expectWhole(next);
    const { header } = await openPayload(payload);
    const [from, to] = [header.base, header.next];
    const found = new Set<string>();
    const { operations, states } = await cutEverywhere({
      disk: createFaultyDisk(new Map([[FILE, base]])),
      act: (disk) =>
        storageOn(disk).update(async (store) => void (await applyPayload(store, payload)), {
          base: from as string,
          next: to as string,
          isTrial: false,
        }),
      recover: async (disk) => void (await storageOn(disk).recover()),
      async check(disk) {
        const left = new Uint8Array(base.length);
        await disk.readInto(FILE, 0, left);
        const which = Buffer.compare(left, base) === 0 ? 'base' : 'next';
        expect(Buffer.compare(left, which === 'base' ? base : next)).toBe(0);
        found.add(which);
      },
      survivals: SURVIVALS,
    });
    expect(states).toBeGreaterThan(2 * SURVIVALS.length * operations);
    expect([...found].sort()).toEqual(['base', 'next']);
  },
);
