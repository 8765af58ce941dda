import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RouteEdge } from '../../src/chain/plan-route.js';
import { parseFleet, planFleet } from '../../src/report/fleet.js';
import { errorOf } from '../support.js';

const edge = (base: string, next: string, bytes: number): RouteEdge => ({
  name: `${base}-${next}`,
  base,
  next,
  bytes,
});
const EDGES = [edge('v1', 'v2', 300), edge('v2', 'v3', 320), edge('v3', 'v4', 310), edge('v2', 'v4', 350)];

test('planFleet() updates every version to the newest by the cheapest route', () => {
  const versions = [
    { version: 'v4', devices: 50 },
    { version: 'v3', devices: 1000 },
    { version: 'v2', devices: 200 },
    { version: 'v1', devices: 70 },
    { version: 'v0', devices: 3 },
  ];
  const { devices, bytes, fullBytes, ...fleet } = planFleet({
    versions,
    edges: EDGES,
    next: 'v4',
    fullBytes: 60_000,
  });
  expect(fleet.versions).toEqual([
    { version: 'v4', devices: 50, full: 60_000, best: 'none', bytes: 0 },
    { version: 'v3', devices: 1000, direct: 310, full: 60_000, best: 'direct', bytes: 310_000 },
    {
      version: 'v2',
      devices: 200,
      direct: 350,
      chain: 630,
      chainSteps: 2,
      full: 60_000,
      best: 'direct',
      bytes: 70_000,
    },
    { version: 'v1', devices: 70, chain: 650, chainSteps: 2, full: 60_000, best: 'chain', bytes: 45_500 },
    { version: 'v0', devices: 3, full: 60_000, best: 'full', bytes: 180_000 },
  ]);
  expect([devices, bytes, fullBytes]).toEqual([1323, 605_500, 60_000 * 1273]);
  expect(fleet.precompute).toEqual([
    { version: 'v0', devices: 3, expectedBytes: 350, savedBytes: 180_000 - 3 * 350 },
    { version: 'v1', devices: 70, expectedBytes: 350, savedBytes: 70 * 300 },
  ]);
});

test('planFleet() suggests no payload if none leads to the model', () => {
  const versions = [{ version: 'v1', devices: 7 }];
  const { precompute, bytes } = planFleet({ versions, edges: [], next: 'v9', fullBytes: 1000 });
  expect([precompute, bytes]).toEqual([[], 7000]);
});

test('planFleet() counts metadata for each device that has something to fetch', () => {
  const versions = [
    { version: 'v4', devices: 50 },
    { version: 'v3', devices: 1000 },
  ];
  const fleet = planFleet({ versions, edges: EDGES, next: 'v4', fullBytes: 60_000, metadataBytes: 1900 });
  expect(fleet).toMatchObject({
    bytes: 1000 * (310 + 1900),
    fullBytes: 1000 * (60_000 + 1900),
    metadataBytes: 1900,
  });
});

test('a fleet never downloads more than full models, and its bytes are the sum over versions', () => {
  const counts = fc.array(fc.nat(1000), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(counts, fc.integer({ min: 1, max: 1000 }), (devices, fullBytes) => {
      const versions = devices.map((count, i) => ({ version: `v${i}`, devices: count }));
      const fleet = planFleet({ versions, edges: EDGES, next: 'v4', fullBytes });
      expect(fleet.bytes).toBeLessThanOrEqual(fleet.fullBytes);
      expect(fleet.bytes).toBe(fleet.versions.reduce((sum, { bytes }) => sum + bytes, 0));
    }),
  );
});

test('parseFleet() reads comma-separated values', () => {
  const text = '\ufeffdevices, version ,note\r\n12, aa ,"old, phones"\r\n# a remark\r\n\r\n0,"b b",\r\n';
  expect(parseFleet(text, 'fleet.csv')).toEqual([
    { version: 'aa', devices: 12 },
    { version: 'b b', devices: 0 },
  ]);
});

test.each([
  ['nothing', '', 'expected at least one version, got none'],
  ['a header alone', 'version,devices\n', 'expected at least one version, got none'],
  ['other columns', 'name,count\na,1\n', 'row 1: expected a column "version"'],
  ['no devices', 'version,devices\na,\n', 'row 1: expected a number of devices, got ""'],
  ['words for devices', 'version,devices\na,1\nb,many\n', 'row 2: expected a number of devices, got "many"'],
  ['less than none', 'version,devices\na,-1\n', 'row 1: expected a number of devices, got "-1"'],
  ['a version twice', 'version,devices\na,1\na,2\n', 'expected each version once, got "a" twice'],
  ['rows of other lengths', 'version,devices\na,1,2\n', 'Invalid Record Length'],
  ['quotes that do not end', 'version,devices\n"a,1\n', 'Quote Not Closed'],
])('parseFleet() refuses %s', async (_, text, message) => {
  const error = await errorOf(() => parseFleet(text, 'fleet.csv'));
  expect(error.code).toBe('bad-document');
  expect(error.message).toContain('fleet.csv');
  expect(error.message).toContain(message);
});
