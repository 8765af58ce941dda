import { expect, test } from 'vitest';
import { changeRollout, withdrawReleases } from '../../src/publish/publish-release.js';
import { openRepository, writePublication } from '../../src/publish/repository.js';
import { expectCode } from '../release/maker.js';
import { Fleet } from './fleet.js';

const COUNT = 24;

/** @returns a fleet with a release of each version, of which the metadata list so many */
async function releaseAll(keep: number | undefined, count = COUNT): Promise<Fleet> {
  const fleet = await Fleet.start(count);
  fleet.publisher.keep = keep;
  for (let i = 1; i < count; i++) await fleet.release(i);
  return fleet;
}

/** @returns the source of a fleet, and the bytes of each file that is fetched from it */
function countingSource(fleet: Fleet) {
  const source = fleet.source();
  const fetched = new Map<string, number>();
  const fetch: typeof source.fetch = async (path, options) => {
    const bytes = await source.fetch(path, options);
    if (bytes) fetched.set(path, bytes.length);
    return bytes;
  };
  const isIndex = (path: string): boolean => path.endsWith('.releases.index.json');
  return { source: { ...source, fetch }, fetched, indexed: () => [...fetched.keys()].filter(isIndex).length };
}

const fleet = await releaseAll(1);
const newest = fleet.version(COUNT - 1).name;

test('a device one step behind reads no index, and little more than the payload', async () => {
  const { source, fetched, indexed } = countingSource(fleet);
  const { plan } = await (await fleet.device(COUNT - 2)).updater({ source }).update();
  expect([plan?.next, indexed()]).toEqual([newest, 0]);
  const metadata = [...fetched].filter(([path]) => path.startsWith('metadata/'));
  expect(metadata.reduce((sum, [, bytes]) => sum + bytes, 0)).toBeLessThan(2_900);
});

test.each([0, 7, 20])('a device with version %i finds its way through the index', async (version) => {
  const { source, indexed } = countingSource(fleet);
  const device = await fleet.device(version);
  const { status, plan } = await device.updater({ source }).update();
  expect([status, plan?.next, plan?.steps.length]).toEqual(['updated', newest, COUNT - 1 - version]);
  expect(indexed()).toBeGreaterThan(0);
});

test('a device with the newest model reads no index', async () => {
  const { source, indexed } = countingSource(fleet);
  const { status } = await (await fleet.device(COUNT - 1)).updater({ source }).update();
  expect([status, indexed()]).toEqual(['current', 0]);
});

test('a device that nothing leads on from is told so', async () => {
  const late = await Fleet.start(5);
  late.publisher.keep = 1;
  for (const i of [2, 3, 4]) await late.release(i);
  const { source, indexed } = countingSource(late);
  const { status, missed } = await (await late.device(0)).updater({ source }).check();
  expect([status, missed?.counter]).toEqual(['unreachable', 4]);
  expect(indexed()).toBeGreaterThan(0);
});

test('an older whole model in the index helps where the newest one is not for the device yet', async () => {
  const staged = await Fleet.start(5);
  staged.publisher.keep = 1;
  await staged.releaseWhole(2);
  await staged.release(3);
  await staged.releaseWhole(4, { rollout: 0 });
  expect((await openRepository(staged.publisher.files)).older.map(({ name }) => name).sort()).toEqual([
    'v2.safetensors',
    'v3.ndiff',
  ]);
  const { plan } = await (await staged.device(0)).updater().check();
  expect([plan?.kind, plan?.counter]).toEqual(['full', 2]);
});

test('each group of devices keeps its newest release in the metadata', async () => {
  const mixed = await Fleet.start(4);
  mixed.publisher.keep = 1;
  await mixed.release(1, { channel: 'beta' });
  await mixed.release(2);
  await mixed.release(3, { deviceClasses: ['camera'] });
  const { older } = await openRepository(mixed.publisher.files);
  expect(older).toEqual([]);
  const camera = (await mixed.device(0)).updater({ deviceClass: 'camera', channel: 'beta' });
  expect((await camera.check()).plan?.next).toBe(mixed.version(3).name);
});

test('rollouts and withdrawals change releases that the index lists', async () => {
  const staged = await releaseAll(1, 6);
  const { publisher } = staged;
  const [name] = ['v2.ndiff'];
  const repository = await openRepository(publisher.files);
  expect(repository.older.map((release) => release.name).sort()).toEqual([
    'v1.ndiff',
    'v2.ndiff',
    'v3.ndiff',
    'v4.ndiff',
  ]);
  await writePublication(
    publisher.files,
    await changeRollout(repository, { names: [name], rollout: 100 }, publisher.options()),
  );
  const changed = await openRepository(publisher.files);
  expect(changed.older.find((release) => release.name === name)?.rollout).toBe(100);
  await writePublication(publisher.files, await withdrawReleases(changed, [name], publisher.options()));
  expect(await (await staged.device(1)).updater().check()).toMatchObject({ status: 'unreachable' });
  expect(await (await staged.device(2)).updater().check()).toMatchObject({ status: 'available' });
});

test('golden inputs of a release in the index are found by their digest', async () => {
  const tried = await Fleet.start(3);
  tried.publisher.keep = 1;
  const golden = { name: 'golden.npz', bytes: Uint8Array.of(1, 2, 3) };
  await tried.release(1, { golden });
  await tried.release(2, { rollout: 0 });
  expect((await openRepository(tried.publisher.files)).targets.signed.targets[golden.name]).toBeUndefined();
  const seen: number[] = [];
  const updater = (await tried.device(0)).updater({
    selfTest: (_, { golden: bytes }) => void seen.push(bytes?.length ?? 0),
  });
  await updater.update();
  expect(seen).toEqual([3]);
});

test.each([
  ['metadata-missing', () => undefined],
  ['metadata-mismatch', (bytes: Uint8Array) => bytes.map((byte, i) => (i === 40 ? byte ^ 1 : byte))],
  ['metadata-mismatch', (bytes: Uint8Array) => bytes.subarray(1)],
] as const)('an index that was changed is refused with %s, and nothing is', async (code, change) => {
  const source = fleet.source();
  const updater = (await fleet.device(3)).updater({
    source: {
      ...source,
      async fetch(path, options) {
        const bytes = await source.fetch(path, options);
        return bytes && path.endsWith('.releases.index.json') ? change(bytes) : bytes;
      },
    },
  });
  await expectCode(updater.update(), code);
  expect((await updater.status()).counter).toBe(0);
});
