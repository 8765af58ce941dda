import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { openHdf5Store } from '../../src/containers/hdf5/hdf5.js';
import { openKerasStore } from '../../src/containers/keras.js';
import { openContainer } from '../../src/containers/open-container.js';
import { crc32, readZip } from '../../src/containers/zip.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { copyModel } from '../../src/model/store.js';
import { codeOf, pack } from '../support.js';
import { fuzz } from './fuzz.js';
import { readHdf5 } from './write-hdf5.js';

const read = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(join(import.meta.dirname, 'files', name)));
const filesOf = (bytes: Uint8Array) => openMemoryFiles(new Map([['a', bytes]]));
const open = (bytes: Uint8Array) => openKerasStore(filesOf(bytes), 'a');

/** @returns the entry of the weights, and both checksums of it that the archive holds */
async function weightsOf(bytes: Uint8Array): Promise<{ weights: Uint8Array; checksums: number[] }> {
  const entries = await readZip(filesOf(bytes), 'a');
  const entry = entries.find(({ name }) => name === 'model.weights.h5');
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return {
    weights: bytes.subarray(entry?.start, entry?.end),
    checksums: (entry?.checksums ?? []).map((at) => view.getUint32(at, true)),
  };
}

/** @returns the archive with its letters in two places changed: what a directory and an entry call it */
function renamed(from: string, to: string): Uint8Array {
  const text = Buffer.from(read('model.keras')).toString('latin1').replaceAll(from, to);
  return new Uint8Array(Buffer.from(text, 'latin1'));
}

test('openKerasStore() reads the weights of an archive as the file of the same weights', async () => {
  const store = await openContainer(filesOf(read('model.keras')), 'a');
  const alone = await openHdf5Store(filesOf(read('model.weights.h5')), 'a');
  expect(await copyModel(store)).toEqual(await copyModel(alone));
  expect(await fingerprint(store)).toEqual(await fingerprint(alone));
});

test('applyPayload() patches an archive of Keras in place, checksums included', async () => {
  const bytes = read('model.keras');
  const base = await copyModel(await open(bytes));
  const tensor = 'layers/dense/vars/1';
  const op = { positions: Uint32Array.of(1), levels: Int16Array.of(3) };
  const { payload } = await pack(base, { ops: [{ kind: 'sparse', tensor, scale: 0.25, ...op }] });
  await applyPayload(await open(bytes), payload);
  const { weights, checksums } = await weightsOf(bytes);
  expect(readHdf5(weights, tensor)).toEqual(Float32Array.of(0, 1, 0.5));
  expect(checksums).toEqual([crc32(weights), crc32(weights)]);
  expect(checksums).not.toEqual((await weightsOf(read('model.keras'))).checksums);
});

test('openKerasStore() refuses archives of something else, and compressed ones', async () => {
  expect(await codeOf(() => open(read('model.npz')))).toBe('bad-model');
  expect(await codeOf(() => open(renamed('model.weights.h5', 'model.weights.h6')))).toBe('bad-model');
  const compressed = read('model.keras');
  const view = new DataView(compressed.buffer);
  // The last mention of the name stands in the directory, 36 bytes behind the method.
  const name = Buffer.from(compressed).lastIndexOf('model.weights.h5');
  view.setUint16(name - 36, 8, true);
  expect(await codeOf(() => open(compressed))).toBe('unsupported-model');
});

test('openKerasStore() meets any change of a file with a typed error or tensors within it', async () => {
  expect(await fuzz(open, read('model.keras'))).toBeGreaterThan(50);
});
