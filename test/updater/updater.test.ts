import { describe, expect, test } from 'vitest';
import type { UpdaterEvent } from '../../src/updater/updater.js';
import { STORAGES } from '../storage/storages.js';
import { codeOf, errorOf } from '../support.js';
import { Fleet } from './fleet.js';

describe.each(STORAGES)('createUpdater() on a model that is kept $name', (kind) => {
  test('brings a device from release to release, each on trial first', async () => {
    const fleet = await Fleet.start();
    const device = await fleet.device(0, kind);
    const updater = device.updater();
    expect((await updater.start()).status).toBe('settled');
    for (const index of [1, 2]) {
      await fleet.release(index);
      const { status, plan } = await updater.update();
      expect([status, plan?.kind, plan?.steps.length]).toEqual(['updated', 'direct', 1]);
      const { name } = fleet.version(index);
      expect(await updater.status()).toMatchObject({
        status: 'trial',
        fingerprint: name,
        counter: index - 1,
      });
      await updater.confirm();
      expect(await updater.status()).toEqual({
        status: 'settled',
        fingerprint: name,
        counter: index,
        rejectedModels: [],
      });
      expect(await device.disk.list('updates/downloads')).toEqual([]);
    }
    expect((await updater.update()).status).toBe('current');
  });

  test('takes a chain as one update', async () => {
    const fleet = await Fleet.start();
    for (const index of [1, 2]) await fleet.release(index);
    const device = await fleet.device(0, kind);
    const updater = device.updater();
    const { plan } = await updater.check();
    expect([plan?.kind, plan?.steps.map(({ statement }) => statement.name)]).toEqual([
      'chain',
      ['v1.ndiff', 'v2.ndiff'],
    ]);
    await updater.update(plan);
    expect(await updater.status()).toMatchObject({ status: 'trial', fingerprint: fleet.version(2).name });
    await updater.rollback();
    expect(await updater.status()).toMatchObject({
      status: 'settled',
      fingerprint: fleet.version(0).name,
      counter: 0,
    });
  });

  test('takes the whole model where no payload fits', async () => {
    const fleet = await Fleet.start();
    await fleet.release(2);
    await fleet.releaseWhole(2);
    const updater = (await fleet.device(0, kind)).updater();
    const { plan } = await updater.update();
    expect([plan?.kind, plan?.reason]).toEqual(['full', expect.stringContaining('there is no alternative')]);
    expect((await updater.status()).fingerprint).toBe(fleet.version(2).name);
  });

  test('rolls a model back that is never confirmed, and does not try it again', async () => {
    const fleet = await Fleet.start();
    await fleet.release(1);
    const device = await fleet.device(0, kind);
    await device.updater().update();
    const events: UpdaterEvent[] = [];
    const statuses: string[] = [];
    for (let i = 0; i < 4; i++) {
      const updater = device.updater({ onEvent: (event) => events.push(event) });
      statuses.push((await updater.start()).status);
    }
    expect(statuses).toEqual(['trial', 'trial', 'trial', 'settled']);
    const next = fleet.version(1).name;
    expect(events).toEqual([{ type: 'rolled-back', next, reason: 'too-many-starts' }]);
    expect(await device.updater().status()).toMatchObject({
      fingerprint: fleet.version(0).name,
      rejectedModels: [{ model: next, reason: 'too-many-starts', counter: 1, names: ['v1.ndiff'] }],
    });
    expect((await device.updater().update()).status).toBe('held-back');
  });

  test('keeps the base when the self-test fails, and does not try the model again', async () => {
    const fleet = await Fleet.start();
    await fleet.release(1);
    const device = await fleet.device(0, kind);
    const updater = device.updater({
      selfTest: () => {
        throw new Error('outputs are not numbers');
      },
    });
    const error = await errorOf(() => updater.update());
    expect([error.code, error.message]).toEqual([
      'health-check-failed',
      expect.stringContaining('outputs are not numbers'),
    ]);
    expect(await updater.status()).toMatchObject({
      status: 'settled',
      fingerprint: fleet.version(0).name,
      rejectedModels: [
        { model: fleet.version(1).name, reason: 'test-failed', counter: 1, names: ['v1.ndiff'] },
      ],
    });
    expect((await updater.update()).status).toBe('held-back');
  });

  test('keeps the base when a signal stops it at any moment, and takes the same release later', async () => {
    const fleet = await Fleet.start(2);
    await fleet.release(1);
    const found = { base: 0, next: 0 };
    for (let stopAt = 0; found.next === 0; stopAt++) {
      const device = await fleet.device(0, kind);
      const stop = new AbortController();
      let seen = 0;
      const onEvent = (event: UpdaterEvent): void => {
        if (event.type !== 'updated' && seen++ === stopAt) stop.abort(new Error('enough'));
      };
      const updater = device.updater({ onEvent });
      const ended = await updater.update(undefined, { signal: stop.signal }).catch((error) => error.message);
      const end = ended === 'enough' ? 'base' : 'next';
      found[end]++;
      if (end === 'next') break;
      expect(await updater.status()).toEqual({
        status: 'settled',
        fingerprint: fleet.version(0).name,
        counter: 0,
        rejectedModels: [],
      });
      expect((await device.updater().update()).status).toBe('updated');
    }
    // Planned, downloaded in pieces, checked, written, verified, tested.
    expect(found.base).toBeGreaterThan(6);
  });

  test('hands signed golden inputs to the self-test', async () => {
    const fleet = await Fleet.start();
    const bytes = new TextEncoder().encode('inputs and outputs');
    await fleet.release(1, { golden: { name: 'golden-1.bin', bytes } });
    const seen: unknown[] = [];
    const updater = (await fleet.device(0, kind)).updater({
      async selfTest(store, { golden, plan }) {
        const weight = new Uint8Array(4);
        await store.readInto('a/kernel', 0, weight);
        seen.push(new TextDecoder().decode(golden), plan.counter);
      },
    });
    await updater.update();
    expect(seen).toEqual(['inputs and outputs', 1]);
  });
});

test('an updater asks its policy', async () => {
  const fleet = await Fleet.start();
  await fleet.release(1);
  const device = await fleet.device();
  const later = device.updater({ policy: { mayBegin: () => false } });
  expect(await later.update()).toMatchObject({ status: 'deferred', plan: { kind: 'direct' } });
  expect((await device.updater({ policy: { maxBytes: 10 } }).update()).status).toBe('over-limit');
  await fleet.releaseWhole(2);
  const asks: string[] = [];
  const policy = { full: 'ask', approve: ({ kind }: { kind: string }) => asks.push(kind) > 5 } as const;
  expect((await device.updater({ policy }).update()).status).toBe('declined');
  expect(asks).toEqual(['full']);
  expect(await device.updater({ policy: { full: 'never' } }).update()).toMatchObject({
    status: 'updated',
    plan: { counter: 1 },
  });
});

test('an updater refuses what it must, by code, and leaves the model alone', async () => {
  const fleet = await Fleet.start();
  await fleet.release(1);
  const device = await fleet.device();
  const { files, clock } = fleet.publisher;
  const expectCode = async (code: string, updater = device.updater()): Promise<void> => {
    expect(await codeOf(() => updater.update())).toBe(code);
    expect(await updater.status()).toMatchObject({ status: 'settled', fingerprint: fleet.version(0).name });
  };
  const path = [...files.files.keys()].find((each) => each.endsWith('.v1.ndiff')) as string;
  const payload = files.files.get(path) as Uint8Array;

  files.files.set(
    path,
    payload.map((byte, i) => (i === 50 ? byte ^ 1 : byte)),
  );
  await expectCode('payload-mismatch');
  files.files.set(path, Uint8Array.of(...payload, 0));
  await expectCode('payload-mismatch');
  files.files.set(path, payload.subarray(0, 60));
  await expectCode('network');
  files.files.delete(path);
  await expectCode('network');
  files.files.set(path, payload);
  const aborted = AbortSignal.abort(new Error('enough'));
  await expect(device.updater().update(undefined, { signal: aborted })).rejects.toThrow('enough');
  clock.pass(400);
  await expectCode('metadata-expired');
});

test('an updater refuses a second update while the first is on trial, and a second updater meanwhile', async () => {
  const fleet = await Fleet.start();
  await fleet.release(1);
  const device = await fleet.device();
  const updater = device.updater({
    async selfTest() {
      expect(await codeOf(() => device.updater().update())).toBe('locked');
    },
  });
  await updater.update();
  expect(await codeOf(() => updater.update())).toBe('on-trial');
});

test('an updater without space for a download fails before it begins, and continues when there is some', async () => {
  const fleet = await Fleet.start(2);
  await fleet.release(1);
  const device = await fleet.device();
  await device.updater().check();
  const paths = await device.disk.list('');
  const used = paths.reduce((sum, path) => sum + device.disk.content(path).length, 0);
  const full = device.disk.clone({ capacity: used + 20 });
  const error = await errorOf(() => device.updater({ disk: full }).update());
  expect([error.code, error.facts]).toEqual([
    'no-space',
    { needed: fleet.version(1).payload.length, free: 20 },
  ]);
  expect(full.log.filter((line) => line.includes('write updates/downloads'))).toEqual([]);
  await device.updater().update();
  expect((await device.updater().status()).fingerprint).toBe(fleet.version(1).name);
});

test('confirm() and rollback() without a trial do nothing', async () => {
  const fleet = await Fleet.start();
  const updater = (await fleet.device()).updater();
  await updater.confirm();
  expect(await updater.rollback()).toBe(false);
  expect(await updater.status()).toMatchObject({ status: 'settled', counter: 0 });
});

test('start() rolls a trial back that the updater knows nothing of', async () => {
  const fleet = await Fleet.start();
  await fleet.release(1);
  const device = await fleet.device();
  await device.updater().update();
  await device.disk.remove('updates/state');
  const events: UpdaterEvent[] = [];
  const status = await device.updater({ onEvent: (event) => events.push(event) }).start();
  expect(status).toMatchObject({ status: 'settled', fingerprint: fleet.version(0).name });
  expect(events).toMatchObject([{ type: 'rolled-back', reason: 'unknown-trial' }]);
  // The model may be good: it is tried again.
  expect((await device.updater().update()).status).toBe('updated');
});
