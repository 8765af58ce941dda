import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { canonicalJson, type Json } from '../../src/release/json.js';
import type { ReleaseKey } from '../../src/release/keys.js';
import { encodeStatement } from '../../src/release/statement.js';
import { verifyRelease } from '../../src/release/verify-release.js';
import {
  ecdsaKey,
  envelope,
  expectCode,
  sampleStatement,
  TestDevice,
  type TestKey,
  TestRepository,
  targetOf,
  testKey,
} from './maker.js';

const v2 = targetOf(sampleStatement());

test('refreshTrust() trusts roles that sign with ECDSA, alone and together with Ed25519', async () => {
  const repository = new TestRepository();
  const device = new TestDevice(repository);
  const [old, key] = [repository.roles.root.keys, ecdsaKey()];
  repository.roles.root = { keys: [key], threshold: 1 };
  repository.roles.targets = { keys: [key, testKey(5)], threshold: 2 };
  repository.addRoot({ by: old });
  repository.publish(v2);
  expect((await device.refresh(repository)).targets.targets.size).toBe(1);
  repository.roles.targets = { ...repository.roles.targets, keys: [key] };
  repository.publish({});
  await expectCode(device.refresh(repository), 'signature-invalid');
});

test('an ECDSA key counts once, whatever the lines of its text', async () => {
  const repository = new TestRepository();
  const key = ecdsaKey();
  expect(key.alias.keyid).not.toBe(key.keyid);
  repository.roles.targets = { keys: [key, key.alias], threshold: 2 };
  repository.addRoot();
  repository.publish(v2);
  const { facts } = await expectCode(new TestDevice(repository).refresh(repository), 'signature-invalid');
  expect(facts).toEqual({ expected: 2, found: 1 });
});

test('a signature of one type does not count for a key of the other', async () => {
  const [key, other] = [ecdsaKey(), testKey(5)];
  for (const mixed of [
    { ...key, sign: other.sign },
    { ...other, sign: key.sign },
  ]) {
    const repository = new TestRepository();
    repository.roles.targets = { keys: [mixed], threshold: 1 };
    repository.addRoot();
    repository.publish(v2);
    await expectCode(new TestDevice(repository).refresh(repository), 'signature-invalid');
  }
});

test('a root with an ECDSA key that is not one of P-256 in PEM is refused', async () => {
  const repository = new TestRepository();
  const key = ecdsaKey();
  for (const text of ['', 'ab'.repeat(32), key.key.keyval.public.replaceAll('\n', '\r\n')]) {
    const bad = { ...key, key: { ...key.key, keyval: { public: text } } };
    const fork = repository.fork();
    fork.roles.targets = { keys: [testKey(5), bad], threshold: 1 };
    fork.addRoot();
    await expectCode(new TestDevice(repository).refresh(fork), 'metadata-corrupt');
  }
});

test('ECDSA keys of other schemes are left out, as other unknown keys are', async () => {
  const repository = new TestRepository();
  const key = ecdsaKey();
  const other = { ...key, key: { ...key.key, scheme: 'ecdsa-sha2-nistp384' } as unknown as ReleaseKey };
  repository.roles.targets = { keys: [testKey(5), other], threshold: 1 };
  repository.addRoot();
  repository.publish(v2);
  expect((await new TestDevice(repository).refresh(repository)).root.roles.targets.keys.size).toBe(1);
});

test('verifyRelease() accepts a statement that is signed with ECDSA', async () => {
  const key = ecdsaKey();
  const now = () => new Date('2027-01-01T00:00:00Z');
  const bytes = envelope(encodeStatement(sampleStatement()), [key]);
  expect((await verifyRelease(bytes, { keys: [key.key], now })).name).toBe('v2.ndiff');
  await expectCode(verifyRelease(bytes, { keys: [ecdsaKey().key], now }), 'signature-invalid');
  const wrong = { ...key.key, keyval: { public: 'no PEM' } };
  const named = envelope(encodeStatement(sampleStatement()), [{ ...key, keyid: keyIdOf(wrong) }]);
  await expect(verifyRelease(named, { keys: [wrong], now })).rejects.toThrow(RangeError);
});

const keyIdOf = (key: ReleaseKey): string =>
  createHash('sha256')
    .update(canonicalJson(key as unknown as Json))
    .digest('hex');

test('two signatures with one key ID are refused, even where enough keys signed (TUF 4.2)', async () => {
  const repository = new TestRepository();
  const [one, two] = repository.roles.targets.keys as [TestKey, TestKey];
  for (const keys of [
    [one, two, one],
    [one, { ...one, sign: two.sign }],
  ]) {
    const fork = repository.fork();
    const list = fork.put('targets', { targets: v2 }, keys);
    fork.put('timestamp', {
      meta: { 'snapshot.json': fork.put('snapshot', { meta: { 'targets.json': list } }) },
    });
    const { message } = await expectCode(new TestDevice(fork).refresh(fork), 'signature-invalid');
    expect(message).toContain(`expected one signature by key "${one.keyid}"`);
  }
});
