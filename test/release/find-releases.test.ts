import { expect, test } from 'vitest';
import { checkRelease, findReleases, findTarget } from '../../src/release/find-releases.js';
import type { JsonObject } from '../../src/release/json.js';
import { keyBytes, releaseKey } from '../../src/release/keys.js';
import type { ReleaseStatement } from '../../src/release/statement.js';
import {
  expectCode,
  sampleStatement,
  sha256Hex,
  TestDevice,
  TestRepository,
  targetOf,
  testKey,
} from './maker.js';

async function offer(targets: JsonObject) {
  const repository = new TestRepository();
  repository.publish(targets);
  return new TestDevice(repository).refresh(repository);
}

const release = (name: string, changes: Partial<ReleaseStatement> = {}) =>
  targetOf(sampleStatement({ name, ...changes }));
const phone = { counter: 2, deviceClass: 'phone' };

test('findReleases() lists the newest release first, of one counter the fewest bytes', async () => {
  const trust = await offer({
    ...release('v2.ndiff', { counter: 2 }),
    ...release('v3-full.safetensors', {
      counter: 3,
      bytes: 600_000,
      kind: 'full',
      base: undefined,
      formatVersion: undefined,
    }),
    ...release('v3.ndiff', { counter: 3, bytes: 3000 }),
    'golden.npz': { length: 3, hashes: { sha256: 'b'.repeat(64) } },
  });
  const { usable, refused } = findReleases(trust, phone);
  expect(usable.map(({ statement }) => statement.name)).toEqual([
    'v3.ndiff',
    'v3-full.safetensors',
    'v2.ndiff',
  ]);
  expect(refused).toEqual([]);
  expect(usable[0]?.path).toBe(`${usable[0]?.statement.sha256}.v3.ndiff`);
});

test('findReleases() refuses other device classes, older counters and what has expired, each by its code', async () => {
  const trust = await offer({
    ...release('watch.ndiff', { deviceClasses: ['watch', 'ring'] }),
    ...release('old.ndiff', { counter: 1 }),
    ...release('late.ndiff', { expires: new Date('2026-11-20T00:00:00Z') }),
    ...release('mine.ndiff', { deviceClasses: ['phone'] }),
  });
  const { usable, refused } = findReleases(trust, phone);
  expect(usable.map(({ statement }) => statement.name)).toEqual(['mine.ndiff']);
  expect(refused.map(({ name, problem }) => [name, problem.code])).toEqual([
    ['late.ndiff', 'metadata-expired'],
    ['old.ndiff', 'release-refused'],
    ['watch.ndiff', 'release-refused'],
  ]);
  expect(findReleases(trust, { counter: 2 }).usable).toEqual([]);
});

test('findReleases() allows a rollback only with a sufficient signed permission', async () => {
  const trust = await offer(release('v1.ndiff', { counter: 1, allowsRollbackFrom: 2 }));
  expect(findReleases(trust, { counter: 2 }).usable).toHaveLength(1);
  const { usable, refused } = findReleases(trust, { counter: 3 });
  expect([usable.length, refused[0]?.problem.facts]).toEqual([0, { expected: 3, found: 1 }]);
});

test('findReleases() lets one malformed statement not stand in the way of others', async () => {
  const target = targetOf(sampleStatement({ name: 'wrong.ndiff' }))['wrong.ndiff'] as JsonObject;
  const statement = (target.custom as JsonObject)['neural-diff'] as JsonObject;
  const trust = await offer({
    ...release('good.ndiff'),
    'list.ndiff': { ...target, custom: { 'neural-diff': [] } },
    'bad.ndiff': { ...target, custom: { 'neural-diff': { ...statement, counter: 'x' } } },
    'later.ndiff': { ...target, custom: { 'neural-diff': { ...statement, version: 2 } } },
    'other.ndiff': target,
    'wrong.ndiff': { ...target, length: 6 },
    'plain.bin': { ...target, custom: { else: 1 } },
  });
  const { usable, refused } = findReleases(trust, phone);
  expect(usable.map(({ statement }) => statement.name)).toEqual(['good.ndiff']);
  expect(Object.fromEntries(refused.map(({ name, problem }) => [name, problem.code]))).toEqual({
    'list.ndiff': 'metadata-corrupt',
    'bad.ndiff': 'metadata-corrupt',
    'later.ndiff': 'unsupported-version',
    'other.ndiff': 'metadata-mismatch',
    'wrong.ndiff': 'metadata-mismatch',
  });
});

test('checkRelease() says for a detached release what findReleases() says for a listed one', async () => {
  const now = new Date('2026-11-21T00:00:00Z');
  checkRelease(sampleStatement(), { counter: 2 }, now);
  await expectCode(() => checkRelease(sampleStatement(), { counter: 3 }, now), 'release-refused');
  const { message } = await expectCode(
    () => checkRelease(sampleStatement({ deviceClasses: ['watch'] }), { counter: 0 }, now),
    'release-refused',
  );
  expect(message).toBe('Cannot use release "v2.ndiff": expected a device of class watch, got no class');
});

test('findTarget() knows the listed files alone, as they are signed', async () => {
  const bytes = new TextEncoder().encode('golden');
  const golden = { name: 'golden.npz', bytes: 6, sha256: sha256Hex(bytes) };
  const trust = await offer({ 'golden.npz': { length: 6, hashes: { sha256: golden.sha256 } } });
  expect(findTarget(trust, golden)).toBe(`${golden.sha256}.golden.npz`);
  await expectCode(() => findTarget(trust, { ...golden, name: 'other.npz' }), 'metadata-missing');
  await expectCode(() => findTarget(trust, { ...golden, name: 'constructor' }), 'metadata-missing');
  await expectCode(() => findTarget(trust, { ...golden, bytes: 7 }), 'metadata-mismatch');
});

test('releaseKey() takes 32 bytes or 64 digits', () => {
  const { key } = testKey(1);
  expect([releaseKey(key.keyval.public), releaseKey(keyBytes(key))]).toEqual([key, key]);
  for (const wrong of [new Uint8Array(31), '0'.repeat(63), 'A'.repeat(64)])
    expect(() => releaseKey(wrong)).toThrow(RangeError);
});
