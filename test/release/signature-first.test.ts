import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../src/release/json.js';
import { verifyRelease } from '../../src/release/verify-release.js';
import { codeOf } from '../support.js';
import { Fleet } from '../updater/fleet.js';
import { envelope, expectCode, TestDevice, TestRepository, testKey } from './maker.js';

/** Content that is refused as corrupt by its role's parser, in every field that it reads first. */
const MALFORMED: Readonly<Record<string, JsonObject>> = {
  nothing: {},
  'another type': { _type: 5 },
  'no version': { _type: 'timestamp', spec_version: '1.0.31', version: 'x' },
  'another specification': { _type: 'root', spec_version: '9.0' },
  'lists for objects': { _type: 'targets', keys: [], roles: [], meta: [], targets: [], metrics: [] },
  'too many keys': { keys: Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`k${i}`, {}])) },
  'a key of small order': {
    keys: { a: { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: `01${'0'.repeat(62)}` } } },
  },
  'huge lengths': { targets: { a: { length: 2 ** 50, hashes: {} } } },
};

describe.each(Object.entries(MALFORMED))('content with %s', (_, signed) => {
  test.each(['2.root.json', 'timestamp.json', '2.snapshot.json', '2.targets.json'])(
    'is refused for its signatures in %s, before any of it is interpreted',
    async (name) => {
      const repository = new TestRepository();
      const device = new TestDevice(repository);
      const bytes = envelope(signed, [testKey(99)]);
      if (name === '2.snapshot.json' || name === '2.targets.json') {
        // Listed without length and hash, so that its signatures are what decides.
        const snapshot =
          name === '2.snapshot.json'
            ? { version: 2 }
            : repository.put('snapshot', { meta: { 'targets.json': { version: 2 } } });
        repository.put('timestamp', { meta: { 'snapshot.json': snapshot } });
      }
      repository.files.set(name, bytes);
      await expectCode(device.refresh(repository), 'signature-invalid');
    },
  );

  test('is refused for its signatures as a detached release', async () => {
    const options = { keys: [testKey(1).key], now: () => new Date('2026-11-21T00:00:00Z') };
    await expectCode(verifyRelease(envelope(signed, [testKey(99)]), options), 'signature-invalid');
    await expectCode(verifyRelease(envelope(signed, [testKey(1)]), options), 'metadata-corrupt');
  });
});

test('nothing of a payload is parsed before its signed digest: one that would be refused as corrupt is a mismatch', async () => {
  const fleet = await Fleet.start(2);
  await fleet.release(1);
  const device = await fleet.device();
  const { files } = fleet.publisher.files;
  const path = [...files.keys()].find((each) => each.endsWith('.v1.ndiff')) as string;
  const { length } = files.get(path) as Uint8Array;
  // A header, then a map that claims 2^32 - 1 entries; nested lists; zeros.
  const head = fleet.version(1).payload.subarray(0, 8);
  for (const fill of [0xdf, 0x91, 0x00]) {
    const hostile = new Uint8Array(length).fill(fill);
    hostile.set(head);
    files.set(path, hostile);
    expect(await codeOf(() => device.updater().update())).toBe('payload-mismatch');
  }
});
