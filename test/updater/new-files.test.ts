import { expect, test } from 'vitest';
import { openContainer } from '../../src/containers/open-container.js';
import { diffModels } from '../../src/exact-diff/diff-stores.js';
import type { Model } from '../../src/model/tensor.js';
import { openInPlace } from '../../src/storage/in-place.js';
import { openSlots } from '../../src/storage/slots.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { diffMaps, filesOf, openFileMap } from '../exact-diff/files/make-files.js';
import { MAIN, STORAGES, type StorageKind } from '../storage/storages.js';
import { codeOf, seededTensor } from '../support.js';
import { Fleet } from './fleet.js';

const openModel = (files: Parameters<typeof openContainer>[0]) => openContainer(files, MAIN);
const [inPlace, slots] = STORAGES as [StorageKind, StorageKind];
const IN_PLACE: StorageKind = {
  ...inPlace,
  open: (disk) => openInPlace({ disk, folder: '', journal: 'update/journal', openModel }),
};
const SLOTS: StorageKind = {
  ...slots,
  open: (disk) => openSlots({ disk, folder: 'model', openModel }),
};

const mapOf = (model: Model) => filesOf({ [MAIN]: writeSafetensors(model) });

/** A fleet whose first release adds a tensor, and whose second moves it. */
async function releaseNewFiles(): Promise<{ fleet: Fleet; names: [string, string]; last: Uint8Array }> {
  const fleet = await Fleet.start(1);
  const { model } = fleet.version(0);
  const added = seededTensor('c/added', 'float32', [20], 7);
  const larger: Model = { tensors: [...model.tensors, added] };
  const moved = { ...added, bytes: added.bytes.map((byte, i) => (i % 4 === 0 ? byte ^ 3 : byte)) };
  const newest: Model = { tensors: [...model.tensors, moved] };
  const files = await diffMaps(mapOf(model), mapOf(larger));
  const { store } = await openFileMap(mapOf(model));
  await fleet.publish({ base: store, name: 'files.ndiff', bytes: files.payload, counter: 1 });
  const patch = await diffModels(larger, newest);
  const after = (await openFileMap(mapOf(larger))).store;
  await fleet.publish({ base: after, name: 'patch.ndiff', bytes: patch.payload, counter: 2 });
  return { fleet, names: [files.next, patch.next], last: writeSafetensors(newest) };
}

test('a release of new files goes through a repository to a device with two copies, in a chain', async () => {
  const { fleet, names, last } = await releaseNewFiles();
  const device = await fleet.device(0, SLOTS);
  const tested: number[] = [];
  const updater = device.updater({ selfTest: (store) => void tested.push(store.tensors.length) });
  const { status, plan } = await updater.update();
  expect([status, plan?.steps.map(({ statement }) => statement.name)]).toEqual([
    'updated',
    ['files.ndiff', 'patch.ndiff'],
  ]);
  expect(tested).toEqual([3]);
  expect(plan?.next).toBe(names[1]);
  await updater.confirm();
  expect((await updater.status()).fingerprint).toBe(names[1]);
  expect(device.disk.content(`model/b/${MAIN}`)).toEqual(last);
});

test('a device that patches in place rejects a release of new files, and keeps its model', async () => {
  const { fleet } = await releaseNewFiles();
  const device = await fleet.device(0, IN_PLACE);
  const updater = device.updater();
  expect(await codeOf(() => updater.update())).toBe('needs-copy');
  expect(await updater.status()).toMatchObject({
    status: 'settled',
    fingerprint: fleet.version(0).name,
    rejectedReleases: [{ name: 'files.ndiff', code: 'needs-copy' }],
  });
});

test('a release of new files is proved: the statement has the bytes of the new tensors', async () => {
  const { fleet } = await releaseNewFiles();
  const { plan } = await (await fleet.device(0, SLOTS)).updater().check();
  const sizes = plan?.steps.map(({ statement }) => statement.modelBytes);
  const { model } = fleet.version(0);
  const before = model.tensors.reduce((sum, { bytes }) => sum + bytes.length, 0);
  expect(sizes).toEqual([before + 80, before + 80]);
});

test('a release of new files for another base is not published', async () => {
  const fleet = await Fleet.start(2);
  const { model } = fleet.version(0);
  const other = mapOf({ tensors: [...model.tensors, seededTensor('c', 'int8', [4], 1)] });
  const { payload } = await diffMaps(mapOf(model), other);
  const { store } = await openFileMap(mapOf(fleet.version(1).model));
  const publish = () => fleet.publish({ base: store, name: 'x.ndiff', bytes: payload, counter: 1 });
  expect(await codeOf(publish)).toBe('wrong-base');
});
