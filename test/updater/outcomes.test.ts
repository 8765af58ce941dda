import { expect, test } from 'vitest';
import type { UpdateOutcome } from '../../src/updater/updater.js';
import { createRandom } from '../support.js';
import { type Device, Fleet } from './fleet.js';

/** @returns what a check and an update say alike: the update changes nothing */
async function outcomeOf(device: Device, options: Parameters<Device['updater']>[0] = {}) {
  const checked = await device.updater(options).check();
  const { status, missed, plan } = await device.updater(options).update();
  expect([checked.status, checked.missed, checked.plan]).toEqual([status, missed, plan]);
  expect((await device.updater().status()).fingerprint).toBe(checked.fingerprint);
  return { status, missed };
}

/** @returns a fleet of so many versions, all released but the first */
async function released(count = 4): Promise<Fleet> {
  const fleet = await Fleet.start(count);
  for (let index = 1; index < count; index++) await fleet.release(index);
  return fleet;
}

test('a model that no file leads away from is unreachable', async () => {
  const [fleet, other] = [await released(3), await Fleet.start(9)];
  const stranger = await other.device(8);
  const { status, missed } = await outcomeOf(stranger, {
    source: fleet.source(),
    root: fleet.publisher.files.files.get('metadata/1.root.json') as Uint8Array,
  });
  expect(status).toBe('unreachable');
  expect(missed).toMatchObject({ status, counter: 2, next: fleet.version(2).name });
  expect(missed?.reason).toMatch(/^no payload.* leads there from [0-9a-f]{32}: publish one, or the whole/);
  expect((await (await fleet.device()).updater().check()).status).toBe('available');
});

test('a whole model that the policy or the program does not take is unreachable, and the reason says so', async () => {
  const fleet = await Fleet.start(3);
  await fleet.release(2);
  await fleet.releaseWhole(2);
  const device = await fleet.device();
  for (const options of [{ policy: { full: 'never' as const } }, { openModelFile: undefined as never }]) {
    const { status, missed } = await outcomeOf(device, options);
    expect([status, missed?.reason]).toEqual(['unreachable', expect.stringContaining('not allowed')]);
  }
});

test('releases for devices of other classes, and expired ones, are unreachable, not current', async () => {
  const fleet = await Fleet.start(3);
  await fleet.release(1, { deviceClasses: ['phone'] });
  const device = await fleet.device();
  const { status, missed } = await outcomeOf(device);
  expect([status, missed?.counter]).toEqual(['unreachable', 1]);
  expect(missed?.reason).toContain('expected a device of class phone, got no class');
  expect((await device.updater({ deviceClass: 'phone' }).check()).status).toBe('available');
  const soon = new Date(fleet.publisher.clock.after(2));
  const late = await Fleet.start(3);
  await late.release(1);
  await late.release(2, { expires: soon });
  late.publisher.clock.pass(3);
  const updater = (await late.device()).updater();
  expect(await updater.update()).toMatchObject({
    status: 'updated',
    missed: { status: 'unreachable', counter: 2, reason: expect.stringContaining('expired') },
  });
  await updater.confirm();
  expect((await updater.check()).status).toBe('unreachable');
});

test('what is larger than the limit is over-limit, with its bytes', async () => {
  const fleet = await released(3);
  const device = await fleet.device();
  const least = fleet.version(1).payload.length + fleet.version(2).payload.length;
  const { status, missed } = await outcomeOf(device, { policy: { maxBytes: 10 } });
  expect([status, missed?.bytes]).toEqual(['over-limit', least]);
  expect(missed?.reason).toBe(`it takes ${least} bytes, the limit is 10`);
  const partly = await device.updater({ policy: { maxBytes: least - 1 } }).check();
  expect(partly).toMatchObject({ status: 'available', plan: { counter: 1 }, missed: { counter: 2 } });
  expect(partly.plan?.reason).toContain('release 2 is out of reach');
  expect(await device.updater({ policy: { maxBytes: least } }).check()).not.toHaveProperty('missed');
});

test('a model that was rolled back is held back until it is tried again', async () => {
  const fleet = await released(2);
  const device = await fleet.device();
  const updater = device.updater();
  await updater.update();
  await updater.rollback();
  const { status, missed } = await outcomeOf(device);
  expect(status).toBe('held-back');
  expect(missed?.reason).toBe(`model ${fleet.version(1).name} (v1.ndiff) was rolled back on request`);
  const retried = { retryRejected: true };
  expect((await updater.check(retried)).status).toBe('available');
  expect((await updater.status()).rejectedModels).toHaveLength(1);
  expect((await updater.update(undefined, retried)).status).toBe('updated');
  expect((await updater.status()).rejectedModels).toEqual([]);
  await updater.start();
  await updater.confirm();
  expect((await updater.update()).status).toBe('current');
});

test('a rejected model on the way holds back what lies behind it', async () => {
  const fleet = await Fleet.start(3);
  await fleet.release(1);
  const device = await fleet.device();
  const failing = device.updater({
    selfTest: () => {
      throw new Error('wrong');
    },
  });
  await expect(failing.update()).rejects.toThrow('wrong');
  await fleet.release(2);
  const { status, missed } = await outcomeOf(device);
  expect([status, missed?.counter]).toEqual(['held-back', 2]);
  expect(missed?.reason).toContain(`model ${fleet.version(1).name} (v1.ndiff) failed its self-test`);
});

test('an updater says current only where the device has the newest release that it may use', async () => {
  const random = createRandom(5);
  const seen = new Set<UpdateOutcome['status']>();
  for (let round = 0; round < 25; round++) {
    const fleet = await Fleet.start(4);
    const out = [1, 2, 3].filter(() => random() % 3 > 0);
    for (const index of out) await fleet.release(index);
    const at = random() % 4;
    const device = await fleet.device(at);
    const policy = random() % 3 === 0 ? { maxBytes: 60 } : {};
    const { status } = await device.updater({ policy }).check();
    const newest = Math.max(0, ...out);
    seen.add(status);
    expect([round, status === 'current']).toEqual([round, newest === 0 || at === newest]);
  }
  expect([...seen].sort()).toEqual(['available', 'current', 'over-limit', 'unreachable']);
});
