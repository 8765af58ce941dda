import { describe, expect, test } from 'vitest';
import { changeRollout } from '../../src/publish/publish-release.js';
import { openRepository, writePublication } from '../../src/publish/repository.js';
import { waitingFor } from '../../src/updater/rollout.js';
import { sampleStatement } from '../release/maker.js';
import { STORAGES } from '../storage/storages.js';
import { codeOf } from '../support.js';
import { Fleet } from './fleet.js';

/** Devices of the simulated fleet. */
const DEVICES = 100_000;

const NOWHERE = { disk: undefined as never, folder: '' };

/** @returns which of the simulated devices a release with a share goes to */
async function fleetIn(rollout: number, counter = 2): Promise<Uint8Array> {
  const release = { statement: sampleStatement({ rollout, counter }) };
  const ids = Array.from({ length: DEVICES }, (_, i) => `device-${i}`);
  const waiting = ids.map((deviceId) => waitingFor([release], { ...NOWHERE, deviceId }));
  return Uint8Array.from(await Promise.all(waiting), ({ size }) => 1 - size);
}

async function setRollout(fleet: Fleet, name: string, rollout: number): Promise<void> {
  const { files } = fleet.publisher;
  const change = { names: [name], rollout };
  const repository = await openRepository(files);
  await writePublication(files, await changeRollout(repository, change, fleet.publisher.options()));
}

describe(`of ${DEVICES} devices`, () => {
  test('a release goes to its share, within the binomial interval, and none drops out when it is raised', async () => {
    let before: Uint8Array = new Uint8Array(DEVICES);
    for (const rollout of [0, 100, 1_000, 5_000, 9_999, 10_000]) {
      const inside = await fleetIn(rollout);
      const share = rollout / 10_000;
      const found = inside.reduce((sum, each) => sum + each, 0) / DEVICES;
      // Four standard deviations: one run in 16,000 would fail by chance, but these IDs are always the same.
      expect(Math.abs(found - share)).toBeLessThanOrEqual(4 * Math.sqrt((share * (1 - share)) / DEVICES));
      expect(before.every((was, i) => was <= (inside[i] as number))).toBe(true);
      before = inside;
    }
  });

  test('each release begins with other devices', async () => {
    const [first, second] = [await fleetIn(1_000, 2), await fleetIn(1_000, 3)];
    const both = first.filter((is, i) => is === 1 && second[i] === 1).length / DEVICES;
    expect(Math.abs(both - 0.01)).toBeLessThan(0.002);
  });
});

test.each(STORAGES)(
  'a device outside of a rollout is current, until the share is raised ($name)',
  async (kind) => {
    const fleet = await Fleet.start(3);
    await fleet.release(1, { rollout: 0 });
    const device = await fleet.device(0, kind);
    expect(await device.updater().check()).toMatchObject({ status: 'current' });
    expect(await device.updater().check()).not.toHaveProperty('missed');
    await setRollout(fleet, 'v1.ndiff', 10_000);
    const updater = device.updater();
    const { plan } = await updater.check();
    await setRollout(fleet, 'v1.ndiff', 0);
    expect((await updater.update(plan)).status).toBe('updated');
    await updater.confirm();
    // Paused: those that have it keep it.
    expect((await updater.update()).status).toBe('current');
  },
);

test('a payload of a release that a device waits for is a step to a newer one', async () => {
  const fleet = await Fleet.start(3);
  await fleet.release(1, { rollout: 0 });
  await fleet.release(2);
  const { plan } = await (await fleet.device()).updater().check();
  expect(plan?.steps.map(({ statement }) => statement.name)).toEqual(['v1.ndiff', 'v2.ndiff']);
});

test('a device keeps its random ID, and a plan of a rollout that it is not in is refused', async () => {
  const fleet = await Fleet.start(2);
  await fleet.release(1, { rollout: 5_000 });
  const device = await fleet.device();
  const { status } = await device.updater().check();
  for (let i = 0; i < 5; i++) expect((await device.updater().check()).status).toBe(status);
  expect(await device.disk.list('updates')).toContain('updates/device');
  const found = new Map<string, string>();
  for (let i = 0; found.size < 2; i++) {
    const deviceId = `device-${i}`;
    found.set((await device.updater({ deviceId }).check()).status, deviceId);
  }
  const { plan } = await device.updater({ deviceId: found.get('available') as string }).check();
  const outside = device.updater({ deviceId: found.get('current') as string });
  expect(await codeOf(() => outside.update(plan))).toBe('release-refused');
});

test('a channel is followed besides the releases for all', async () => {
  const fleet = await Fleet.start(3);
  await fleet.release(1);
  await fleet.release(2, { channel: 'beta' });
  const device = await fleet.device();
  const counters = new Map<string | undefined, number | undefined>();
  for (const channel of [undefined, 'beta', 'nightly'])
    counters.set(channel, (await device.updater({ channel }).check()).plan?.counter);
  expect([...counters]).toEqual([
    [undefined, 1],
    ['beta', 2],
    ['nightly', 1],
  ]);
});

test('changeRollout() refuses unknown releases and shares out of range', async () => {
  const fleet = await Fleet.start(2);
  await fleet.release(1);
  expect(await codeOf(() => setRollout(fleet, 'v2.ndiff', 100))).toBe('file-not-found');
  for (const rollout of [-1, 10_001, 0.5])
    expect(await codeOf(() => setRollout(fleet, 'v1.ndiff', rollout))).toBe('metadata-corrupt');
});
