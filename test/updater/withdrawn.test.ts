import { expect, test } from 'vitest';
import { openMemoryStore } from '../../src/model/store.js';
import { statementsOf, withdrawnOf } from '../../src/publish/arrange-targets.js';
import { changeRollout, withdrawReleases } from '../../src/publish/publish-release.js';
import { openRepository, writePublication } from '../../src/publish/repository.js';
import {
  CUSTOM_FIELD,
  checkRelease,
  findReleases,
  WITHDRAWN_FIELD,
} from '../../src/release/find-releases.js';
import { expectCode } from '../release/maker.js';
import { Fleet } from './fleet.js';

/** Withdraws releases for a reason. */
async function withdraw({ publisher }: Fleet, names: readonly string[], reason: string): Promise<void> {
  const repository = await openRepository(publisher.files);
  const options = { ...publisher.options(), reason };
  await writePublication(publisher.files, await withdrawReleases(repository, names, options));
}

test('no route ends at or passes a withdrawn release, and those who lack it are current', async () => {
  const fleet = await Fleet.start(4);
  for (const index of [1, 2]) await fleet.release(index);
  await withdraw(fleet, ['v2.ndiff'], 'wrong labels');
  const [first, second] = [await fleet.device(), await fleet.device(1)];
  expect(await first.updater().check()).toMatchObject({
    status: 'available',
    plan: { next: fleet.version(1).name },
  });
  const current = await second.updater().update();
  expect(current.status).toBe('current');
  expect([current.missed, current.withdrawn]).toEqual([undefined, undefined]);
  await fleet.release(3);
  const reason = 'the way there was withdrawn: v2.ndiff (wrong labels)';
  expect((await second.updater().check()).missed).toMatchObject({
    status: 'unreachable',
    counter: 3,
    reason,
  });
});

test('a device whose release was withdrawn is told why, and goes on to a newer one', async () => {
  const fleet = await Fleet.start();
  await fleet.release(1);
  const device = await fleet.device(1);
  await withdraw(fleet, ['v1.ndiff'], 'wrong labels');
  const withdrawn = { counter: 1, withdrawn: 'wrong labels' };
  expect(await device.updater().check()).toMatchObject({ status: 'current', withdrawn });
  expect(await device.updater().update()).toMatchObject({ status: 'current', withdrawn });
  await fleet.release(2);
  expect(await device.updater().update()).toMatchObject({ status: 'updated', withdrawn });
});

test('a device with a withdrawn release goes back where the older one permits it', async () => {
  const fleet = await Fleet.start();
  await fleet.releaseWhole(1);
  await fleet.releaseWhole(2);
  const device = await fleet.device();
  expect((await device.updater().update()).plan?.counter).toBe(2);
  await device.updater().confirm();
  await withdraw(fleet, ['v2.safetensors'], 'too slow');
  expect(await device.updater().check()).toMatchObject({ status: 'current', withdrawn: { counter: 2 } });
  await fleet.releaseWhole(1, { allowsRollbackFrom: 2 });
  const back = await device.updater().update();
  expect(back).toMatchObject({ status: 'updated', withdrawn: { counter: 2, withdrawn: 'too slow' } });
  expect(back.fingerprint).toBe(fleet.version(1).name);
});

test('a model to which another file leads was not withdrawn', async () => {
  const fleet = await Fleet.start();
  await fleet.release(1);
  await fleet.releaseWhole(1);
  await withdraw(fleet, ['v1.ndiff'], 'the payload is larger than the model');
  expect((await (await fleet.device(1)).updater().check()).withdrawn).toBeUndefined();
  expect(await (await fleet.device()).updater().check()).toMatchObject({ plan: { kind: 'full' } });
});

test('a withdrawn release is refused by code, and a program that does not know of them finds none', async () => {
  const fleet = await Fleet.start();
  const { publisher } = fleet;
  await fleet.release(1);
  await withdraw(fleet, ['v1.ndiff'], 'wrong labels');
  const trust = await publisher.device().refresh(publisher.files);
  const custom = trust.targets.targets.get('v1.ndiff')?.custom ?? {};
  expect(Object.keys(custom)).toEqual([WITHDRAWN_FIELD]);
  expect(Object.hasOwn(custom, CUSTOM_FIELD)).toBe(false);
  const { usable, refused } = findReleases(trust, { counter: 0 });
  expect(usable).toEqual([]);
  const problem = { code: 'release-refused', facts: { withdrawn: 'wrong labels' } };
  expect(refused).toMatchObject([{ name: 'v1.ndiff', problem }]);
  expect(refused[0]?.problem.message).toContain('it was withdrawn: wrong labels');
  const [statement] = withdrawnOf(await openRepository(publisher.files));
  await expectCode(
    Promise.resolve().then(() => checkRelease(statement as never, { counter: 0 }, publisher.clock.now())),
    'release-refused',
  );
});

test('withdrawReleases() refuses unknown releases and other reasons by code', async () => {
  const fleet = await Fleet.start();
  const { publisher } = fleet;
  await fleet.release(1);
  await expectCode(withdraw(fleet, ['v9.ndiff'], 'no such release'), 'file-not-found');
  for (const reason of ['', 'two\nlines', '\u202e', 'x'.repeat(201)])
    await expectCode(withdraw(fleet, ['v1.ndiff'], reason), 'metadata-corrupt');
  await withdraw(fleet, ['v1.ndiff'], 'x'.repeat(200));
  await withdraw(fleet, ['v1.ndiff'], 'ein anderer Grund: ä');
  const repository = await openRepository(publisher.files);
  expect(statementsOf(repository)).toEqual([]);
  expect(withdrawnOf(repository)).toMatchObject([{ counter: 1, withdrawn: 'ein anderer Grund: ä' }]);
  const rollout = { names: ['v1.ndiff'], rollout: 1 };
  await expectCode(changeRollout(repository, rollout, publisher.options()), 'file-not-found');
});

test('a counter of a withdrawn release is not used again, and publishing it again ends its withdrawal', async () => {
  const fleet = await Fleet.start();
  await fleet.release(1);
  await fleet.release(2);
  await withdraw(fleet, ['v2.ndiff'], 'wrong labels');
  const base = openMemoryStore(fleet.version(0).model);
  const other = { base, name: 'other.ndiff', bytes: fleet.version(1).payload };
  for (const counter of [1, 2]) await expectCode(fleet.publish({ ...other, counter }), 'release-refused');
  await fleet.release(2);
  expect(await (await fleet.device(1)).updater().check()).toMatchObject({ status: 'available' });
});

test('an index of older releases lists no withdrawn ones: the metadata do', async () => {
  const fleet = await Fleet.start(4);
  fleet.publisher.keep = 1;
  for (const index of [1, 2, 3]) await fleet.release(index);
  await withdraw(fleet, ['v1.ndiff'], 'wrong labels');
  const { older, targets } = await openRepository(fleet.publisher.files);
  expect(older.map(({ name }) => name)).toEqual(['v2.ndiff']);
  expect(Object.keys(targets.signed.targets)).toContain('v1.ndiff');
  expect(await (await fleet.device(1)).updater().check()).toMatchObject({
    status: 'available',
    withdrawn: { counter: 1, withdrawn: 'wrong labels' },
  });
});
