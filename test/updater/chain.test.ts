import { expect, test } from 'vitest';
import { NeuralDiffError } from '../../src/model/errors.js';
import { sampleStatement, sha256Hex, TestRepository, targetOf } from '../release/maker.js';
import { cutEverywhere } from '../rig/cut-everywhere.js';
import { MAIN } from '../storage/storages.js';
import { errorOf } from '../support.js';
import { Fleet } from './fleet.js';

test('a chain is checked whole before the first write: a second payload for other models than signed changes nothing', async () => {
  const fleet = await Fleet.start(4);
  const repository = new TestRepository();
  // The third payload is signed as the second.
  const payloads = [fleet.version(1).payload, fleet.version(3).payload];
  const statements = payloads.map((bytes, i) =>
    sampleStatement({
      name: `v${i + 1}.ndiff`,
      bytes: bytes.length,
      sha256: sha256Hex(bytes),
      base: fleet.version(i).name,
      next: fleet.version(i + 1).name,
      counter: i + 1,
    }),
  );
  repository.publish(Object.assign({}, ...statements.map(targetOf)));
  const device = await fleet.device();
  const updater = device.updater({
    root: repository.files.get('1.root.json') as Uint8Array,
    now: repository.clock.now,
    source: {
      fetch: (path) => repository.fetchMetadata(path.replace('metadata/', '')),
      async open(path) {
        const bytes = payloads[path.endsWith('v1.ndiff') ? 0 : 1] as Uint8Array;
        async function* pieces() {
          yield bytes;
        }
        return { offset: 0, pieces: pieces() };
      },
    },
  });
  const before = device.disk.content(MAIN).slice();
  const error = await errorOf(() => updater.update());
  expect([error.code, error.message]).toEqual(['payload-mismatch', expect.stringContaining('"v2.ndiff"')]);
  expect(device.disk.content(MAIN)).toEqual(before);
  expect(device.disk.log.filter((line) => line.startsWith(`write ${MAIN}`))).toEqual([]);
});

test('a chain is one commit: whenever the power is cut, a device has its base or the newest model, none between', async () => {
  const fleet = await Fleet.start(3);
  for (const index of [1, 2]) await fleet.release(index);
  const device = await fleet.device();
  const [base, between, next] = [0, 1, 2].map((index) => fleet.version(index).name);
  const found = new Set<string>();
  const { operations } = await cutEverywhere({
    disk: device.disk,
    act: async (disk) => {
      const { plan } = await device.updater({ disk }).update();
      expect(plan?.steps).toHaveLength(2);
    },
    recover: (disk) => device.updater({ disk }).recover(),
    check: async (disk) => void found.add((await device.updater({ disk }).status()).fingerprint),
    survivals: ['all'],
  });
  expect(operations).toBeGreaterThan(20);
  expect([...found].sort()).toEqual([base, next].sort());
  expect(found).not.toContain(between);
});

test('readers of the model during a chain are not given one between', async () => {
  const fleet = await Fleet.start(3);
  for (const index of [1, 2]) await fleet.release(index);
  const device = await fleet.device();
  const codes: string[] = [];
  await device
    .updater({
      selfTest: async () => {
        // The update is not complete: another program that starts is refused.
        codes.push((await errorOf(() => device.updater().start())).code);
        throw new NeuralDiffError('bad-data', 'not good enough');
      },
    })
    .update()
    .catch(() => undefined);
  expect(codes).toEqual(['locked']);
  expect((await device.updater().status()).fingerprint).toBe(fleet.version(0).name);
});
