import { expect, test } from 'vitest';
import { openHdf5Store } from '../../src/containers/hdf5/hdf5.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { codeOf } from '../support.js';

/** Bytes of the one dataset that all headers go on to. */
const HELD = 65_000;
const HEADER_BYTES = 48;
const ROOT = 64;

/** A file of many small headers that all go on in one block, which holds a compact dataset. */
function manyHeadersOneDataset(count: number): Uint8Array {
  const shared = ROOT + 32 + 19 * count;
  const headers = shared + HELD + 128;
  const bytes = new Uint8Array(headers + HEADER_BYTES * count + 64);
  const view = new DataView(bytes.buffer);
  const text = (at: number, chars: string): void => bytes.set(new TextEncoder().encode(chars), at);
  const address = (at: number, value: number) => view.setBigUint64(at, BigInt(value), true);
  bytes.set([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a, 2, 8, 8, 0]);
  view.setBigUint64(20, 2n ** 64n - 1n, true);
  address(28, bytes.length);
  address(36, ROOT);
  text(shared, 'OCHK');
  bytes.set([1, 12, 0, 0, 2, 1, 0, 1], shared + 4);
  address(shared + 12, HELD);
  bytes.set([3, 12, 0, 0, 0x10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0], shared + 20);
  view.setUint8(shared + 36, 8);
  view.setUint16(shared + 37, 4 + HELD, true);
  bytes.set([3, 0], shared + 40);
  view.setUint16(shared + 42, HELD, true);
  text(ROOT, 'OHDR');
  bytes.set([2, 2], ROOT + 4);
  view.setUint32(ROOT + 6, 19 * count, true);
  for (let i = 0; i < count; i++) {
    const [header, link] = [headers + HEADER_BYTES * i, ROOT + 10 + 19 * i];
    text(header, 'OHDR');
    bytes.set([2, 0, 20, 0x10, 16, 0], header + 4);
    address(header + 11, shared);
    address(header + 19, HELD + 48);
    bytes.set([6, 15, 0, 0, 1, 0, 4], link);
    text(link + 7, i.toString(36).padStart(4, '0'));
    address(link + 11, header);
  }
  return bytes;
}

test('many datasets in one place are refused, without a copy of each', async () => {
  const open = (count: number) =>
    openHdf5Store(openMemoryFiles(new Map([['a.h5', manyHeadersOneDataset(count)]])), 'a.h5');
  expect((await open(1)).tensors).toMatchObject([{ dtype: 'uint8', shape: [HELD] }]);
  const before = process.memoryUsage().arrayBuffers;
  expect(await codeOf(() => open(2_000))).toBe('bad-model');
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(80_000_000);
});
