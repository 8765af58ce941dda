import { describe, expect, test } from 'vitest';
import { writeRecord } from '../../src/storage/disk.js';
import type { UpdaterEvent } from '../../src/updater/updater.js';
import type { FaultyDisk } from '../rig/faulty-disk.js';
import { STORAGES } from '../storage/storages.js';
import { type Device, Fleet } from './fleet.js';

const STATE = 'updates/state';
const record = (text: string) => (disk: FaultyDisk) =>
  writeRecord(disk, STATE, new TextEncoder().encode(text));

/** Ways in which a state is damaged. */
const DAMAGES: Readonly<Record<string, (disk: FaultyDisk) => Promise<void>>> = {
  'a flipped bit': (disk) => disk.write(STATE, 3, Uint8Array.of((disk.content(STATE)[3] as number) ^ 4)),
  'nothing in it': async (disk) => {
    await disk.remove(STATE);
    await disk.write(STATE, 0, new Uint8Array(0));
  },
  null: record('null'),
  'no JSON': record('{"counter":'),
  'a list': record('[]'),
  'no lists': record('{"counter":1}'),
  'a counter that is none': record('{"counter":-1,"rejectedModels":[]}'),
  'rejected models that are none': record('{"counter":1,"rejectedModels":[null]}'),
  'rejected releases that are none': record('{"counter":1,"rejectedModels":[],"rejectedReleases":[7]}'),
  'a trial that is none': record('{"counter":1,"rejectedModels":[],"trial":{"next":1}}'),
};

describe.each(STORAGES)('an updater whose state is damaged, with a model $name', (kind) => {
  async function start(device: Device) {
    const events: UpdaterEvent[] = [];
    const updater = device.updater({ onEvent: (event) => events.push(event) });
    return { updater, events, status: await updater.start() };
  }

  test.each(Object.keys(DAMAGES))('starts afresh from the model at hand, and says so: %s', async (name) => {
    const fleet = await Fleet.start(3);
    await fleet.release(1);
    const device = await fleet.device(0, kind);
    await device.updater().update();
    await device.updater().confirm();
    await DAMAGES[name]?.(device.disk);
    const damaged = device.disk.content(STATE);
    // Before it is moved aside, the state of the model is known all the same.
    expect(await device.updater().status()).toMatchObject({ status: 'settled', counter: 0 });
    const { updater, events, status } = await start(device);
    expect(status).toMatchObject({ status: 'settled', fingerprint: fleet.version(1).name, counter: 0 });
    expect(events).toEqual([{ type: 'state-reset', aside: `${STATE}.damaged` }]);
    expect(device.disk.content(`${STATE}.damaged`)).toEqual(damaged);
    // Older releases are not installed although their counter is forgotten.
    expect((await updater.update()).status).toBe('current');
    await fleet.release(2);
    expect(await updater.update()).toMatchObject({ status: 'updated', fingerprint: fleet.version(2).name });
  });

  test('rolls back a trial that it no longer knows', async () => {
    const fleet = await Fleet.start(2);
    await fleet.release(1);
    const device = await fleet.device(0, kind);
    await device.updater().update();
    await record('null')(device.disk);
    const { updater, events, status } = await start(device);
    expect(status).toMatchObject({ status: 'settled', fingerprint: fleet.version(0).name });
    expect(events.map(({ type }) => type)).toEqual(['state-reset', 'rolled-back']);
    expect((await updater.update()).status).toBe('updated');
  });
});
