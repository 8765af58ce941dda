import { expect, test } from 'vitest';
import type { UpdaterEvent } from '../../src/updater/updater.js';
import { Fleet } from './fleet.js';

test('an updater keeps a history of the releases that were confirmed, also of a chain and a whole model', async () => {
  const fleet = await Fleet.start(4);
  const device = await fleet.device();
  for (const index of [1, 2]) await fleet.release(index);
  const updater = device.updater();
  await updater.update();
  expect(await updater.history()).toEqual([]);
  await updater.confirm();
  await fleet.releaseWhole(3);
  await updater.update();
  await updater.rollback();
  await updater.update(undefined, { retryRejected: true });
  await updater.confirm();
  const [chain, whole, ...others] = await device.updater().history();
  expect(others).toEqual([]);
  expect(chain).toMatchObject({
    confirmedAt: fleet.publisher.clock.now().toISOString(),
    base: fleet.version(0).name,
    next: fleet.version(2).name,
    counter: 2,
    files: [{ name: 'v1.ndiff' }, { name: 'v2.ndiff' }],
    signedBy: { keys: fleet.publisher.signers.targets.map(({ keyid }) => keyid), version: 3 },
  });
  expect(whole).toMatchObject({ next: fleet.version(3).name, files: [{ name: 'v3.safetensors' }] });
});

test('a history is written once, before a power loss or after, and a damaged one begins again', async () => {
  const fleet = await Fleet.start(3);
  await fleet.release(1);
  const device = await fleet.device();
  await device.updater().update();
  const cut = device.disk.clone();
  await device.updater({ disk: cut }).confirm();
  for (let failAt = 0; failAt < cut.log.length; failAt++) {
    const disk = device.disk.clone({ failAt });
    await device
      .updater({ disk })
      .confirm()
      .catch(() => undefined);
    const after = disk.clone();
    const updater = device.updater({ disk: after });
    await updater.start();
    await updater.confirm();
    expect([failAt, (await updater.history()).map(({ counter }) => counter)]).toEqual([failAt, [1]]);
  }
  await device.disk.write('updates/history', 0, new TextEncoder().encode('something else'));
  await device.updater().confirm();
  expect(await device.updater().history()).toHaveLength(1);
});

test('an updater reports each update in one event: its outcome or the code of its failure, and its time', async () => {
  const fleet = await Fleet.start(2);
  await fleet.release(1);
  const device = await fleet.device();
  const seen: UpdaterEvent[] = [];
  const onEvent = (event: UpdaterEvent): void => void (event.type === 'outcome' && seen.push(event));
  const selfTest = () => Promise.reject(new Error('wrong'));
  await expect(device.updater({ onEvent, selfTest }).update()).rejects.toThrow('wrong');
  await device.updater({ onEvent, programVersion: '7' }).update();
  await device.updater({ onEvent }).update(undefined, { retryRejected: true });
  await device
    .updater({ onEvent })
    .update()
    .catch(() => undefined);
  expect(seen).toMatchObject([
    { status: 'failed', code: 'health-check-failed', ms: expect.any(Number) },
    { status: 'held-back', counter: 0, versions: expect.stringMatching(/format 1, program 7$/) },
    { status: 'updated', fingerprint: fleet.version(1).name, plan: { counter: 1 } },
    { status: 'failed', code: 'on-trial' },
  ]);
});
