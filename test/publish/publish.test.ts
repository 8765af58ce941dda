import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryStore } from '../../src/model/store.js';
import { statementsOf } from '../../src/publish/arrange-targets.js';
import { openRepositoryFolder } from '../../src/publish/files.js';
import { initRepository } from '../../src/publish/init-repository.js';
import { signRelease } from '../../src/publish/prove-release.js';
import { publishRelease, withdrawReleases } from '../../src/publish/publish-release.js';
import { ONLINE_ROLES, refreshExpiry } from '../../src/publish/renew.js';
import { openRepository, writePublication } from '../../src/publish/repository.js';
import { checkPayload } from '../../src/release/check-payload.js';
import { findReleases, findTarget, type Release } from '../../src/release/find-releases.js';
import { verifyRelease } from '../../src/release/verify-release.js';
import { expectCode } from '../release/maker.js';
import { freshSigner, MemoryRepository, Publisher, safetensors, sampleUpdate } from './publisher.js';

const update = await sampleUpdate();
const expires = new Date('2027-05-01T00:00:00Z');
const draft = { name: 'v2.ndiff', bytes: update.payload, base: update.base, counter: 2, expires };

test('publishRelease() offers devices what was proved on the real base', async () => {
  const maker = await Publisher.start();
  const golden = { name: 'golden.npz', bytes: Uint8Array.of(1, 2, 3) };
  const metrics = { accuracy: 0.963, maxNegativeFlips: 0.002 };
  const { statement } = await maker.publish({
    ...draft,
    metrics,
    golden,
    deviceClasses: ['phone'],
    allowsRollbackFrom: 9,
  });
  expect(statement).toMatchObject({
    kind: 'update',
    base: await fingerprint(update.base),
    next: await fingerprint(openMemoryStore(update.next)),
    formatVersion: 1,
    bytes: update.payload.length,
  });
  const device = maker.device();
  const trust = await device.refresh(maker.files);
  const { usable } = findReleases(trust, { counter: 1, deviceClass: 'phone' });
  const [release] = usable as [Release];
  expect(release.statement).toEqual(statement);
  await checkPayload((await maker.files.read(`targets/${release.path}`)) as Uint8Array, statement);
  const inputs = await maker.files.read(`targets/${findTarget(trust, statement.golden!)}`);
  await checkPayload(inputs as Uint8Array, statement.golden!);
});

test('publishRelease() puts a detached release next to the payload, signed by the same keys', async () => {
  const maker = await Publisher.start();
  const { statement } = await maker.publish(draft);
  const detached = (await maker.files.read('targets/v2.ndiff.release.json')) as Uint8Array;
  const keys = maker.signers.targets.map(({ key }) => key);
  expect(await verifyRelease(detached, { keys, threshold: 2, now: maker.clock.now })).toEqual(statement);
});

test('publishRelease() publishes a whole model by the fingerprint of its tensors', async () => {
  const maker = await Publisher.start();
  const { statement } = await maker.publish({
    name: 'v2.safetensors',
    bytes: safetensors([1, 2, 3]),
    counter: 2,
    expires,
  });
  expect(statement).toMatchObject({ kind: 'full', modelBytes: 12 });
  expect(statement).not.toHaveProperty('base');
  await expectCode(maker.publish({ ...draft, base: undefined, name: 'v3.ndiff' }), 'bad-model');
});

test('publishRelease() publishes nothing that does not give what it promises', async () => {
  const maker = await Publisher.start();
  const before = [...maker.files.files.keys()];
  const damaged = update.payload.slice();
  damaged[damaged.length - 12] = (damaged[damaged.length - 12] as number) ^ 1;
  const other = openMemoryStore({
    tensors: update.model.tensors.map((t) => ({ ...t, bytes: t.bytes.map((b) => b ^ 1) })),
  });
  await expectCode(maker.publish({ ...draft, bytes: damaged }), 'corrupt-payload');
  await expectCode(maker.publish({ ...draft, base: other }), 'wrong-base');
  await expectCode(maker.publish({ ...draft, base: openMemoryStore(update.next) }), 'wrong-base');
  await expectCode(maker.publish({ ...draft, base: openMemoryStore({ tensors: [] }) }), 'wrong-layout');
  await expectCode(maker.publish({ ...draft, next: 'f'.repeat(32) }), 'result-mismatch');
  await expectCode(maker.publish({ ...draft, name: 'a/b.ndiff' }), 'metadata-corrupt');
  await expectCode(maker.publish({ ...draft, counter: 0 }), 'metadata-corrupt');
  expect([...maker.files.files.keys()]).toEqual(before);
});

test('publishRelease() keeps the order of counters, and names', async () => {
  const maker = await Publisher.start();
  await maker.publish(draft);
  await expectCode(maker.publish({ ...draft, name: 'v1.ndiff', counter: 1 }), 'release-refused');
  await maker.publish({ ...draft, name: 'v1.ndiff', counter: 1, allowsRollbackFrom: 2 });
  const model = { name: 'v2.ndiff', bytes: safetensors([1]), counter: 3, expires };
  await expectCode(maker.publish(model), 'output-exists');
  await maker.publish({ ...draft, counter: 3 });
  expect(
    statementsOf(await openRepository(maker.files))
      .map(({ counter }) => counter)
      .sort(),
  ).toEqual([1, 3]);
});

test('publishRelease() refuses another model under a used counter, unless it is for other devices', async () => {
  const maker = await Publisher.start();
  await maker.publish(draft);
  const before = [...maker.files.files.keys()];
  const other = { name: 'other.safetensors', bytes: safetensors([1, 2]), counter: 2, expires };
  await expectCode(maker.publish(other), 'release-refused');
  await expectCode(maker.publish({ ...other, deviceClasses: ['watch'] }), 'release-refused');
  expect([...maker.files.files.keys()]).toEqual(before);
  await maker.publish({ ...draft, name: 'v2-again.ndiff' });
  const phone = { ...other, counter: 3, deviceClasses: ['phone'] };
  await maker.publish(phone);
  await maker.publish({
    ...phone,
    name: 'watch.safetensors',
    bytes: safetensors([3]),
    deviceClasses: ['watch'],
  });
  const both = { ...phone, name: 'both.safetensors', bytes: safetensors([4]) };
  await expectCode(maker.publish({ ...both, deviceClasses: ['tablet', 'watch'] }), 'release-refused');
  const error = await maker.publish({ ...both, deviceClasses: ['phone'] }).catch((caught) => caught);
  expect(error.message).toMatch(/expected counter 3 to lead to .* as "other.safetensors" does, got .*higher/);
});

test('publishRelease() refuses too few keys', async () => {
  const maker = await Publisher.start();
  const { targets, snapshot, timestamp } = maker.signers;
  const attempts = [
    [...targets.slice(1), ...snapshot, ...timestamp],
    [...targets, ...timestamp],
    [...targets, ...snapshot],
    [...targets.slice(1), await freshSigner(), ...snapshot, ...timestamp],
  ];
  for (const signers of attempts)
    await expectCode(maker.publish(draft, maker.options(signers)), 'signature-invalid');
  await maker.publish(draft, maker.options([...targets, ...snapshot, ...timestamp]));
});

test('writePublication() ends with the timestamp: interrupted at any write, devices see the old or the new', async () => {
  const maker = await Publisher.start();
  const publication = await publishRelease(await openRepository(maker.files), draft, maker.options());
  const paths = publication.files.map(({ path }) => path.replace(/[0-9a-f]{64}/, '*'));
  expect(paths).toEqual([
    ...['targets/*.v2.ndiff', 'targets/v2.ndiff.release.json'],
    ...['metadata/2.targets.json', 'metadata/2.snapshot.json', 'metadata/timestamp.json'],
  ]);
  for (let writes = 0; writes <= paths.length; writes++) {
    maker.files.writesLeft = writes;
    await writePublication(maker.files, publication).catch(() => undefined);
    const { targets } = await maker.device().refresh(maker.files);
    expect(targets.targets.size).toBe(writes === paths.length ? 1 : 0);
    maker.files.writesLeft = Number.POSITIVE_INFINITY;
    await openRepository(maker.files);
  }
});

test('writePublication() reads back what it wrote', async () => {
  const maker = await Publisher.start();
  const publication = await publishRelease(await openRepository(maker.files), draft, maker.options());
  const forgetful = {
    ...maker.files,
    read: async () => new Uint8Array(3),
    list: async () => [],
    write: async () => {},
  };
  await expectCode(writePublication(forgetful, publication), 'storage-mismatch');
});

test('openRepository() builds on nothing that others have changed', async () => {
  const maker = await Publisher.start();
  await maker.publish(draft);
  for (const path of [...maker.files.files.keys()].filter((name) =>
    /metadata\/(1\.root|2\.|timestamp)/.test(name),
  )) {
    const good = maker.files.files.get(path) as Uint8Array;
    const text = new TextDecoder().decode(good).replace(/"version":(\d)(?!.*"version")/, '"version":9');
    maker.files.files.set(path, new TextEncoder().encode(text));
    await expectCode(openRepository(maker.files), 'signature-invalid');
    maker.files.files.set(path, good.subarray(1));
    await expectCode(openRepository(maker.files), 'metadata-corrupt');
    if (!path.includes('root')) {
      maker.files.files.delete(path);
      await expectCode(openRepository(maker.files), 'metadata-missing');
    }
    maker.files.files.set(path, good);
  }
  await expectCode(openRepository(new MemoryRepository()), 'file-not-found');
});

test('initRepository() begins once, with keys that meet their thresholds', async () => {
  const maker = await Publisher.start();
  await expectCode(initRepository(maker.files, maker.roles(), maker.options()), 'output-exists');
  const empty = new MemoryRepository();
  const few = maker.options(maker.signers.root.slice(1));
  await expectCode(initRepository(empty, maker.roles(), few), 'signature-invalid');
  const [key] = maker.signers.targets as [(typeof maker.signers.targets)[0]];
  const twice = { ...maker.roles(), targets: { keys: [key.key, key.key], threshold: 2 } };
  await expect(initRepository(empty, twice, maker.options())).rejects.toThrow(RangeError);
  const days = { ...maker.options(), expiryDays: { root: 0 } };
  await expect(initRepository(empty, maker.roles(), days)).rejects.toThrow(RangeError);
});

test('refreshExpiry() keeps devices going without new releases, online keys alone', async () => {
  const maker = await Publisher.start();
  await maker.publish(draft);
  const device = maker.device();
  await device.refresh(maker.files);
  maker.clock.pass(20);
  await expectCode(device.refresh(maker.files), 'metadata-expired');
  const online = maker.options([...maker.signers.snapshot, ...maker.signers.timestamp]);
  await writePublication(
    maker.files,
    await refreshExpiry(await openRepository(maker.files), ONLINE_ROLES, online),
  );
  expect((await device.refresh(maker.files)).targets.version).toBe(2);
  maker.clock.pass(350);
  const all = await refreshExpiry(await openRepository(maker.files), ['root', 'targets'], maker.options());
  await writePublication(maker.files, all);
  expect(all.versions).toEqual({ root: 2, targets: 3, snapshot: 4, timestamp: 4 });
  const trust = await device.refresh(maker.files);
  expect(findReleases(trust, { counter: 0 }).usable).toHaveLength(0);
  expect(trust.targets.targets.size).toBe(1);
});

test('refreshExpiry() of the root needs root keys alone', async () => {
  const maker = await Publisher.start();
  const repository = await openRepository(maker.files);
  const { files } = await refreshExpiry(repository, ['root'], maker.options(maker.signers.root));
  expect(files.map(({ path }) => path)).toEqual(['metadata/2.root.json']);
});

test('withdrawReleases() takes a release from those who have not got it', async () => {
  const maker = await Publisher.start();
  await maker.publish(draft);
  const device = maker.device();
  await device.refresh(maker.files);
  const repository = await openRepository(maker.files);
  await expectCode(withdrawReleases(repository, ['v9.ndiff'], maker.options()), 'file-not-found');
  await writePublication(maker.files, await withdrawReleases(repository, ['v2.ndiff'], maker.options()));
  expect((await device.refresh(maker.files)).targets.targets.size).toBe(0);
});

test('signRelease() proves and signs a detached file', async () => {
  const signers = [await freshSigner(), await freshSigner()];
  const { statement, file } = await signRelease(draft, signers);
  const now = () => new Date('2026-11-21T00:00:00Z');
  const keys = signers.map(({ key }) => key);
  expect(await verifyRelease(file, { keys, threshold: 2, now })).toEqual(statement);
  await expectCode(signRelease({ ...draft, base: openMemoryStore(update.next) }, signers), 'wrong-base');
});

test('openRepositoryFolder() writes whole files into folders that it makes', async () => {
  const folder = join(mkdtempSync(join(tmpdir(), 'neural-diff-repository-')), 'deep', 'releases');
  const files = openRepositoryFolder(folder);
  expect([await files.list('metadata'), await files.read('metadata/1.root.json')]).toEqual([[], undefined]);
  const maker = await Publisher.start();
  const begun = await initRepository(files, maker.roles(), maker.options());
  await writePublication(files, begun);
  await writePublication(files, await publishRelease(await openRepository(files), draft, maker.options()));
  expect(readdirSync(join(folder, 'metadata')).sort()).toEqual([
    ...['1.root.json', '1.snapshot.json', '1.targets.json', '2.snapshot.json', '2.targets.json'],
    'timestamp.json',
  ]);
  expect(statementsOf(await openRepository(files))).toHaveLength(1);
});
