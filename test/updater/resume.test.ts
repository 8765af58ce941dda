import { afterAll, beforeAll, expect, test } from 'vitest';
import { download } from '../../src/updater/download.js';
import { openHttpSource } from '../../src/updater/http-source.js';
import { sha256Hex } from '../release/maker.js';
import { createFaultyDisk } from '../rig/faulty-disk.js';
import { type HostileServer, startHostileServer } from '../rig/hostile-server.js';
import { seededBytes } from '../support.js';
import { Fleet } from './fleet.js';

const BYTES = 400;
const content = seededBytes(4, BYTES);
const file = { name: 'v2.ndiff', bytes: BYTES, sha256: sha256Hex(content) };
const partial = `updates/downloads/${file.sha256}`;
let server: HostileServer;

beforeAll(async () => {
  server = await startHostileServer(new Map([['targets/v2', content]]));
});
afterAll(() => server.close());

/**
 * Downloads in a program that finds so much on its disk.
 *
 * @returns offsets of requests, bytes that were sent
 */
async function downloadAfter(found: Uint8Array) {
  const location = { disk: createFaultyDisk(), folder: 'updates' };
  if (found.length > 0) await location.disk.write(partial, 0, found);
  const [requests, sent] = [server.requests.length, server.bytesSent];
  const source = openHttpSource({ url: server.url });
  const path = await download({ source, location, path: 'targets/v2', file, waitMs: () => 1 });
  expect(Buffer.compare(location.disk.content(path), content)).toBe(0);
  return {
    offsets: server.requests.slice(requests).map(({ offset }) => offset),
    sent: server.bytesSent - sent,
  };
}

test('a download that is killed at any byte resumes with the remainder only, and is verified whole', async () => {
  for (let kept = 0; kept < BYTES; kept++)
    expect(await downloadAfter(content.subarray(0, kept))).toEqual({ offsets: [kept], sent: BYTES - kept });
  expect(await downloadAfter(content)).toEqual({ offsets: [], sent: 0 });
});

test('a download of a file that was another one before it was killed begins again', async () => {
  for (const kept of [1, 100, BYTES - 1]) {
    const result = await downloadAfter(seededBytes(5, BYTES).subarray(0, kept));
    expect(result).toEqual({ offsets: [kept, 0], sent: BYTES - kept + BYTES });
  }
});

test('a corrupt cache heals itself: every stored file of an updater, cut, flipped, emptied or filled', async () => {
  const fleet = await Fleet.start(3);
  await fleet.release(1);
  const seen = await fleet.device();
  const damage: ((bytes: Uint8Array) => Uint8Array)[] = [
    (bytes) => bytes.subarray(0, bytes.length >> 1),
    (bytes) => bytes.map((byte, i) => (i === bytes.length >> 1 ? byte ^ 1 : byte)),
    () => new Uint8Array(),
    () => new Uint8Array(100_000),
  ];
  const plan = (await seen.updater().check()).plan!;
  const name = plan.steps[0]?.statement.sha256 as string;
  await seen.disk.write(`updates/downloads/${name}`, 0, fleet.version(1).payload);
  const cached = (await seen.disk.list('updates')).filter((path) => /trust|downloads/.test(path));
  expect(cached.length).toBeGreaterThan(3);
  for (const path of cached)
    for (const change of damage) {
      const disk = seen.disk.clone({});
      const bytes = change(disk.content(path).slice());
      await disk.remove(path);
      await disk.write(path, 0, bytes);
      const updater = seen.updater({ disk });
      expect([path, (await updater.update()).status]).toEqual([path, 'updated']);
      expect((await updater.status()).fingerprint).toBe(fleet.version(1).name);
    }
});
