import { expect, test } from 'vitest';
import { withdrawReleases } from '../../src/publish/publish-release.js';
import { rotateKeys } from '../../src/publish/renew.js';
import { openRepository, writePublication } from '../../src/publish/repository.js';
import { ROLES } from '../../src/release/metadata.js';
import { freshSigner } from '../publish/publisher.js';
import { codeOf } from '../support.js';
import { type Device, Fleet } from './fleet.js';

/** Lets a device take the newest release, and keep it. */
async function follow(device: Device): Promise<string> {
  const updater = device.updater();
  await updater.start();
  const { status } = await updater.update();
  if (status === 'updated') await updater.confirm();
  return (await updater.status()).fingerprint;
}

test('an updater goes back to an older release by a signed permission alone', async () => {
  const fleet = await Fleet.start();
  const { publisher } = fleet;
  await fleet.releaseWhole(1);
  await fleet.releaseWhole(2);
  const device = await fleet.device();
  expect(await follow(device)).toBe(fleet.version(2).name);
  const withdrawn = await withdrawReleases(
    await openRepository(publisher.files),
    ['v2.safetensors'],
    publisher.options(),
  );
  await writePublication(publisher.files, withdrawn);
  expect(await follow(device)).toBe(fleet.version(2).name);
  for (const [allowsRollbackFrom, index] of [
    [1, 2],
    [2, 1],
  ] as const) {
    await fleet.releaseWhole(1, { allowsRollbackFrom });
    expect(await follow(device)).toBe(fleet.version(index).name);
  }
});

test('an updater keeps its model while metadata are expired, and follows when all keys have changed', async () => {
  const fleet = await Fleet.start();
  const { publisher } = fleet;
  await fleet.release(1);
  const device = await fleet.device();
  expect(await follow(device)).toBe(fleet.version(1).name);
  publisher.clock.pass(1000);
  for (let i = 0; i < 5; i++) {
    const updater = device.updater();
    expect(await updater.start()).toMatchObject({ status: 'settled', fingerprint: fleet.version(1).name });
    expect(await codeOf(() => updater.update())).toBe('metadata-expired');
  }
  for (const role of ROLES) {
    const old = publisher.signers[role];
    const fresh = [await freshSigner(), await freshSigner()];
    const rotation = {
      roles: [role],
      add: fresh.map(({ key }) => key),
      remove: old.map(({ key }) => key),
    };
    const signers = [...Object.values(publisher.signers).flat(), ...fresh];
    const publication = await rotateKeys(
      await openRepository(publisher.files),
      rotation,
      publisher.options(signers),
    );
    await writePublication(publisher.files, publication);
    publisher.signers[role] = fresh;
  }
  await fleet.release(2);
  expect(await follow(device)).toBe(fleet.version(2).name);
});
