import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { Publisher, sampleUpdate } from '../publish/publisher.js';
import { bundleForBrowser } from './bundle.js';
import { type Realm, startWorker } from './chromium.js';
import { useChromium } from './session.js';
import { type TrustOutcome, trustReleases } from './trust-releases.js';

const maker = await Publisher.start();
const { base, payload } = await sampleUpdate();
const expires = new Date('2027-05-01T00:00:00Z');
await maker.publish({ name: 'v2.ndiff', bytes: payload, base, counter: 2, expires });
const forged = [...maker.files.files].map(([path, bytes]): [string, Uint8Array] => {
  const text = new TextDecoder().decode(bytes);
  const isTimestamp = path === 'metadata/timestamp.json';
  return [
    `forged/${path}`,
    isTimestamp ? new TextEncoder().encode(text.replace('"version":2', '"version":3')) : bytes,
  ];
});
const bundle = await bundleForBrowser('trust-releases.ts');

const session = useChromium(async () => ({ bundle, files: [...maker.files.files, ...forged] }));
const realms = new Map<string, Realm>();

beforeAll(async () => {
  realms.set('page', session.page).set('worker', await startWorker(session.page, 'device.js'));
});

test('the bundle holds nothing of payloads, and nothing of Node', () => {
  const own = bundle.inputs.filter((path) => path.startsWith('src/'));
  expect(own.filter((path) => !/^src\/(release|model)\//.test(path))).toEqual([]);
});

describe.each(['page', 'worker'])('refreshTrust() in a %s of Chromium', (name) => {
  test.each(['WebCrypto', 'noble'] as const)('trusts and refuses as in Node, by %s', async (way) => {
    const realm: Pick<Page, 'evaluate'> = realms.get(name) as Realm;
    const { origin } = session.server;
    for (const [place, usable] of [
      [origin, ['v2.ndiff']],
      [`${origin}/forged`, 'signature-invalid'],
    ] as const) {
      const call = `device.trustReleases(${JSON.stringify(place)}, ${JSON.stringify(way)})`;
      expect(await realm.evaluate<TrustOutcome>(call)).toEqual({ usable });
      expect(await trustReleases(place, way)).toEqual({ usable });
    }
  });
});
