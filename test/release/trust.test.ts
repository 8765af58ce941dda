import { beforeEach, expect, test } from 'vitest';
import { verifyByNoble } from '../../src/release/ed25519.js';
import type { JsonObject } from '../../src/release/json.js';
import { loadTrust } from '../../src/release/refresh-trust.js';
import { expectCode, sampleStatement, TestDevice, TestRepository, targetOf, testKey } from './maker.js';

let repository: TestRepository;
let device: TestDevice;

beforeEach(() => {
  repository = new TestRepository();
  device = new TestDevice(repository);
});

const v2 = targetOf(sampleStatement());

test('refreshTrust() gives the newest metadata, and fetches only what it lacks', async () => {
  const first = await device.refresh(repository);
  expect([first.root.version, first.timestamp.version, first.targets.targets.size]).toEqual([1, 1, 0]);
  expect(repository.fetched).toEqual(['2.root.json', 'timestamp.json', '1.snapshot.json', '1.targets.json']);
  repository.publish(v2);
  const second = await device.refresh(repository);
  expect([...second.targets.targets.keys()]).toEqual(['v2.ndiff']);
  repository.fetched.length = 0;
  expect((await device.refresh(repository)).targets).toEqual(second.targets);
  expect(repository.fetched).toEqual(['2.root.json', 'timestamp.json']);
});

test('refreshTrust() comes to the same result by noble', async () => {
  repository.publish(v2);
  const trust = await device.refresh(repository, { ed25519: verifyByNoble });
  expect(trust).toEqual(await device.refresh(repository));
});

test('refreshTrust() asks for file names without versions where there are no consistent snapshots', async () => {
  repository.addRoot({ more: { consistent_snapshot: false } });
  for (const role of ['snapshot', 'targets'])
    repository.files.set(`${role}.json`, repository.files.get(`1.${role}.json`) as Uint8Array);
  await device.refresh(repository);
  expect(repository.fetched.slice(-2)).toEqual(['snapshot.json', 'targets.json']);
});

test('loadTrust() gives what is stored without a network, and says when it is not complete', async () => {
  const { store, root, clock } = device;
  const options = { store, root, now: clock.now };
  await expectCode(loadTrust(options), 'metadata-missing');
  const trust = await device.refresh(repository);
  expect(await loadTrust(options)).toEqual(trust);
  clock.pass(20);
  await expectCode(loadTrust(options), 'metadata-expired');
});

test('refreshTrust() compares all dates to one moment', async () => {
  repository.days = { root: 1, timestamp: 1, snapshot: 1, targets: 1 };
  repository.addRoot();
  repository.publish({});
  const slow = async (name: string) => {
    device.clock.pass(0.5);
    return repository.fetchMetadata(name);
  };
  await device.refresh({ fetchMetadata: slow });
});

test.each(['timestamp', 'snapshot', 'targets'] as const)(
  'arbitrary software: %s signed by a stranger is refused, and not stored',
  async (role) => {
    await device.refresh(repository);
    const before = await device.store.read(`${role}.json`);
    repository.roles = { ...repository.roles, [role]: { keys: [testKey(99)], threshold: 1 } };
    repository.publish(v2);
    await expectCode(device.refresh(repository), 'signature-invalid');
    expect(await device.store.read(`${role}.json`)).toEqual(before);
  },
);

test('arbitrary software: the signature of another role does not count', async () => {
  repository.roles = { ...repository.roles, targets: repository.roles.timestamp };
  repository.publish(v2);
  await expectCode(device.refresh(repository), 'signature-invalid');
});

test('arbitrary software: metadata of one role are not taken for another, even by the same keys', async () => {
  const { keys } = repository.roles.targets;
  for (const role of ['timestamp', 'snapshot'] as const) repository.roles[role] = { keys, threshold: 1 };
  repository.addRoot();
  const meta = { 'snapshot.json': { version: 1 }, 'targets.json': { version: 1 } };
  repository.put('snapshot', { meta });
  repository.files.set('timestamp.json', repository.files.get('2.snapshot.json') as Uint8Array);
  await expectCode(device.refresh(repository), 'metadata-corrupt');
});

test('key compromise below the threshold: one key of two, even under two names, is one', async () => {
  const [one, two] = repository.roles.targets.keys as [
    ReturnType<typeof testKey>,
    ReturnType<typeof testKey>,
  ];
  const alias = { ...one, keyid: 'f'.repeat(64) };
  repository.roles.targets = { keys: [one, two, alias], threshold: 2 };
  repository.addRoot();
  const attempts = [[one], [one, alias], [one, testKey(98)], [one, { ...two, sign: one.sign }]];
  for (const keys of attempts) {
    const fork = repository.fork();
    const list = fork.put('targets', { targets: v2 }, keys);
    const snapshot = fork.put('snapshot', { meta: { 'targets.json': list } });
    fork.put('timestamp', { meta: { 'snapshot.json': snapshot } });
    const { facts } = await expectCode(new TestDevice(fork).refresh(fork), 'signature-invalid');
    expect(facts).toEqual({ expected: 2, found: 1 });
  }
  repository.publish(v2);
  await device.refresh(repository);
});

test('rollback: an older timestamp, or one that lists an older snapshot, is refused', async () => {
  repository.publish({});
  const old = repository.fork();
  repository.publish(v2);
  await device.refresh(repository);
  await expectCode(device.refresh(old), 'metadata-rollback');
  repository.put('timestamp', { meta: { 'snapshot.json': { version: 2 } } });
  await expectCode(device.refresh(repository), 'metadata-rollback');
});

test('rollback: a timestamp of the same version is not looked at', async () => {
  repository.publish(v2);
  const trust = await device.refresh(repository);
  repository.versions.timestamp--;
  repository.put('timestamp', { meta: { 'snapshot.json': { version: 1 } } });
  expect(await device.refresh(repository)).toEqual(trust);
});

test('rollback: a snapshot that lists older targets, or none of what it listed, is refused', async () => {
  repository.publish(v2);
  const metas: JsonObject[] = [{ 'targets.json': { version: 1 } }, { 'other.json': { version: 9 } }];
  for (const meta of metas) {
    const fresh = new TestDevice(repository);
    await fresh.refresh(repository);
    const fork = repository.fork();
    const snapshot = fork.put('snapshot', { meta });
    fork.put('timestamp', { meta: { 'snapshot.json': snapshot } });
    await expectCode(fresh.refresh(fork), 'metadata-rollback');
  }
});

test('rollback: targets that a device stores are never replaced by older ones, even without its snapshot', async () => {
  repository.publish(v2);
  await device.refresh(repository);
  for (const name of ['timestamp.json', 'snapshot.json']) await device.store.remove(name);
  const snapshot = repository.put('snapshot', { meta: { 'targets.json': { version: 1 } } });
  repository.put('timestamp', { meta: { 'snapshot.json': snapshot } });
  await expectCode(device.refresh(repository), 'metadata-rollback');
});

test('fast-forward: versions of a thief end with the rotation of the keys', async () => {
  await device.refresh(repository);
  const thief = repository.fork();
  Object.assign(thief.versions, { timestamp: 9_000_000, snapshot: 9_000_000 });
  const list = { 'targets.json': { version: 1 } };
  thief.put('timestamp', { meta: { 'snapshot.json': thief.put('snapshot', { meta: list }) } });
  await device.refresh(thief);
  repository.publish(v2);
  await expectCode(device.refresh(repository), 'metadata-rollback');
  repository.roles.timestamp = { keys: [testKey(50)], threshold: 1 };
  repository.roles.snapshot = { keys: [testKey(51)], threshold: 1 };
  repository.addRoot();
  repository.publish(v2);
  expect((await device.refresh(repository)).timestamp.version).toBe(3);
});

test('fast-forward: targets begin again with the rotation of the snapshot keys, and of no others', async () => {
  repository.versions.targets = 9_000_000;
  repository.publish({});
  await device.refresh(repository);
  Object.assign(repository.versions, { targets: 1 });
  repository.roles.timestamp = { keys: [testKey(50)], threshold: 1 };
  repository.addRoot();
  repository.publish(v2);
  await expectCode(device.refresh(repository), 'metadata-rollback');
  repository.roles.snapshot = { keys: [testKey(51)], threshold: 1 };
  repository.addRoot();
  repository.publish(v2);
  expect((await device.refresh(repository)).targets.version).toBe(3);
});

test('fast-forward: what the stolen key signed goes before the new root is stored', async () => {
  await device.refresh(repository);
  repository.roles.timestamp = { ...repository.roles.timestamp, keys: [testKey(50), testKey(11)] };
  repository.addRoot();
  const { store } = device;
  const order: string[] = [];
  const watched = {
    read: store.read,
    write: async (name: string) => void order.push(`write ${name}`),
    remove: async (name: string) => void order.push(`remove ${name}`),
  };
  await device.refresh(repository, { store: watched }).catch(() => undefined);
  expect(order.slice(0, 3)).toEqual(['remove timestamp.json', 'remove snapshot.json', 'write 2.root.json']);
});

test.each(['root', 'timestamp', 'snapshot', 'targets'] as const)(
  'indefinite freeze: an expired %s is refused by a code of its own, and signing again ends it',
  async (role) => {
    repository.days = { root: 100, timestamp: 100, snapshot: 100, targets: 100, [role]: 5 };
    repository.addRoot();
    repository.publish({});
    await device.refresh(repository);
    device.clock.pass(5);
    const { facts } = await expectCode(device.refresh(repository), 'metadata-expired');
    expect(facts.now).toBe('2026-11-26T00:00:00.000Z');
    repository.addRoot();
    repository.publish(v2);
    expect((await device.refresh(repository)).targets.targets.size).toBe(1);
  },
);

test('a device that slept through expired roots finds its way to the newest', async () => {
  await device.refresh(repository);
  for (let year = 0; year < 5; year++) {
    device.clock.pass(400);
    const old = repository.roles.root.keys;
    repository.roles.root = { keys: [testKey(60 + year), testKey(70 + year)], threshold: 2 };
    repository.addRoot({ by: old });
  }
  repository.publish(v2);
  expect((await device.refresh(repository)).root.version).toBe(6);
  expect(await device.store.read('6.root.json')).toBeDefined();
});

test('endless data: no file is read beyond its limit or its listed length', async () => {
  const limits = {
    maxRootBytes: 5000,
    maxTimestampBytes: 2000,
    maxSnapshotBytes: 2000,
    maxTargetsBytes: 3000,
  };
  const asked = new Map<string, number>();
  const endless = (victim: string) => async (name: string, maxBytes: number) => {
    asked.set(name, maxBytes);
    return name.endsWith(victim) ? new Uint8Array(maxBytes + 1) : repository.fetchMetadata(name);
  };
  for (const victim of ['2.root.json', 'timestamp.json', '1.snapshot.json', '1.targets.json'])
    await expectCode(device.refresh({ fetchMetadata: endless(victim) }, { limits }), 'limit-exceeded');
  const lengthOf = (name: string) => repository.files.get(name)?.length;
  expect(Object.fromEntries(asked)).toEqual({
    '2.root.json': 5000,
    'timestamp.json': 2000,
    '1.snapshot.json': lengthOf('1.snapshot.json'),
    '1.targets.json': lengthOf('1.targets.json'),
  });
});

test('endless data: a listed length does not raise a limit, roots have a number', async () => {
  await expectCode(device.refresh(repository, { limits: { maxTargetsBytes: 10 } }), 'limit-exceeded');
  for (let i = 0; i < 5; i++) repository.addRoot();
  const { root } = await device.refresh(repository, { limits: { maxRootRotations: 3 } });
  expect(root.version).toBe(4);
  expect((await device.refresh(repository)).root.version).toBe(6);
});

test.each([
  ['snapshot', '2.snapshot.json', '1.snapshot.json'],
  ['targets', '2.targets.json', '1.targets.json'],
])('mix and match: another %s than the listed one is refused', async (_, name, other) => {
  repository.publish(v2);
  repository.files.set(name, repository.files.get(other) as Uint8Array);
  await expectCode(device.refresh(repository), 'metadata-mismatch');
});

test('mix and match: without listed hashes, the version inside has to agree', async () => {
  repository.put('targets', { targets: v2 });
  repository.files.set('2.targets.json', repository.files.get('1.targets.json') as Uint8Array);
  const snapshot = repository.put('snapshot', { meta: { 'targets.json': { version: 2 } } });
  repository.put('timestamp', { meta: { 'snapshot.json': snapshot } });
  await expectCode(device.refresh(repository), 'metadata-mismatch');
});

test('a snapshot without targets is refused', async () => {
  const snapshot = repository.put('snapshot', { meta: { 'delegated.json': { version: 1 } } });
  repository.put('timestamp', { meta: { 'snapshot.json': snapshot } });
  await expectCode(device.refresh(repository), 'metadata-corrupt');
});

test.each(['timestamp.json', '1.snapshot.json', '1.targets.json'])(
  'a repository without %s is refused',
  async (name) => {
    repository.files.delete(name);
    await expectCode(device.refresh(repository), 'metadata-missing');
  },
);
