import { beforeEach, expect, test } from 'vitest';
import { expectCode, sampleStatement, TestDevice, TestRepository, targetOf, testKey } from './maker.js';

let repository: TestRepository;
let device: TestDevice;

beforeEach(() => {
  repository = new TestRepository();
  device = new TestDevice(repository);
});

const v2 = targetOf(sampleStatement());

test('root: a new one needs the threshold of the old and of the new keys', async () => {
  const old = repository.roles.root.keys;
  const fresh = [testKey(31), testKey(32)];
  const attempts = [
    { keys: fresh, by: [] },
    { keys: fresh, by: [old[0]!] },
    { keys: [testKey(31), { ...testKey(32), sign: testKey(33).sign }], by: old },
  ];
  for (const { keys, by } of attempts) {
    const fork = repository.fork();
    fork.roles.root = { keys, threshold: 2 };
    fork.addRoot({ by });
    await expectCode(device.refresh(fork), 'signature-invalid');
    expect(await device.store.read('2.root.json')).toBeUndefined();
  }
  repository.roles.root = { keys: fresh, threshold: 2 };
  repository.addRoot({ by: old.slice(1) });
  await device.refresh(repository);
});

test('root: a version that is skipped or repeated is refused', async () => {
  for (const version of [1, 3]) {
    const fork = repository.fork();
    fork.addRoot({ version });
    fork.files.set('2.root.json', fork.files.get(`${version}.root.json`) as Uint8Array);
    const { facts } = await expectCode(device.refresh(fork), 'metadata-rollback');
    expect(facts).toEqual({ expected: 2, found: version });
  }
});

test('root: one that the program carries damaged or unsigned is an error, not a gap', async () => {
  const damaged = device.root.slice();
  damaged[damaged.length - 30] = (damaged[damaged.length - 30] as number) ^ 1;
  for (const root of [damaged, device.root.subarray(1)])
    await expect(device.refresh(repository, { root })).rejects.toThrow('root of this program');
});

test('store: whatever is damaged in it heals, root and all', async () => {
  repository.addRoot();
  repository.addRoot();
  repository.publish(v2);
  const trust = await device.refresh(repository);
  const names = ['2.root.json', '3.root.json', 'timestamp.json', 'snapshot.json', 'targets.json'];
  for (const name of names) {
    const good = (await device.store.read(name)) as Uint8Array;
    const flipped = good.slice();
    flipped[good.length - 30] = (flipped[good.length - 30] as number) ^ 1;
    for (const bad of [new Uint8Array(), good.subarray(0, 50), flipped, new Uint8Array(6_000_000)]) {
      await device.store.write(name, bad);
      expect({ ...(await device.refresh(repository)), updateStart: trust.updateStart }).toEqual(trust);
      expect(await device.store.read(name)).toEqual(good);
    }
  }
});

test('store: what it throws, and what fetching throws, is passed on', async () => {
  const broken = () => Promise.reject(new Error('disk on fire'));
  await expect(device.refresh(repository, { store: { ...device.store, read: broken } })).rejects.toThrow(
    'disk on fire',
  );
  await expect(device.refresh({ fetchMetadata: broken })).rejects.toThrow('disk on fire');
});

test('store: a refresh that is interrupted at any write resumes from there', async () => {
  await device.refresh(repository);
  repository.addRoot();
  repository.publish(v2);
  for (let last = 0; last < 4; last++) {
    let count = 0;
    const write = async (name: string, bytes: Uint8Array) => {
      if (count++ >= last) throw new Error('power loss');
      await device.store.write(name, bytes);
    };
    await device.refresh(repository, { store: { ...device.store, write } }).catch(() => undefined);
  }
  expect((await device.refresh(repository)).targets.targets.size).toBe(1);
});
