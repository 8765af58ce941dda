import { expect, test } from 'vitest';
import { type Rotation, rotateKeys } from '../../src/publish/renew.js';
import { openRepository, writePublication } from '../../src/publish/repository.js';
import type { Role } from '../../src/release/metadata.js';
import { expectCode } from '../release/maker.js';
import { freshSigner, Publisher, sampleUpdate } from './publisher.js';

const { payload, base } = await sampleUpdate();
const draft = {
  name: 'v2.ndiff',
  bytes: payload,
  base,
  counter: 2,
  expires: new Date('2027-05-01T00:00:00Z'),
};

async function rotate(maker: Publisher, rotation: Rotation, signers = Object.values(maker.signers).flat()) {
  const publication = await rotateKeys(await openRepository(maker.files), rotation, maker.options(signers));
  await writePublication(maker.files, publication);
  return publication;
}

test.each<[Role, string[]]>([
  ['root', ['metadata/2.root.json']],
  [
    'targets',
    [
      'metadata/3.targets.json',
      'metadata/3.snapshot.json',
      'metadata/timestamp.json',
      'metadata/2.root.json',
    ],
  ],
  ['snapshot', ['metadata/3.snapshot.json', 'metadata/timestamp.json', 'metadata/2.root.json']],
  ['timestamp', ['metadata/3.snapshot.json', 'metadata/timestamp.json', 'metadata/2.root.json']],
])('rotateKeys() changes a %s key, and devices follow at every step', async (role, paths) => {
  const maker = await Publisher.start();
  await maker.publish(draft);
  const device = maker.device();
  await device.refresh(maker.files);
  const fresh = await freshSigner();
  const [leaked, kept] = maker.signers[role] as [typeof fresh, typeof fresh];
  const rotation = { roles: [role], add: [fresh.key], remove: [leaked.key] };
  const all = [...Object.values(maker.signers).flat(), fresh];
  const publication = await rotateKeys(await openRepository(maker.files), rotation, maker.options(all));
  expect(publication.files.map(({ path }) => path)).toEqual(paths);
  for (const { path, bytes } of publication.files) {
    await maker.files.write(path, bytes);
    await device.refresh(maker.files);
    await maker.device().refresh(maker.files);
    await openRepository(maker.files);
  }
  maker.signers[role] = [kept, fresh];
  await maker.publish({ ...draft, counter: 3 });
  const { root } = await device.refresh(maker.files);
  expect(root.version).toBe(2);
  expect([...root.roles[role].keys.keys()].sort()).toEqual([kept.keyid, fresh.keyid].sort());
});

test('rotateKeys() needs the old and the new threshold of root', async () => {
  const maker = await Publisher.start();
  const [one, two] = maker.signers.root as [
    Awaited<ReturnType<typeof freshSigner>>,
    Awaited<ReturnType<typeof freshSigner>>,
  ];
  const [three, four] = [await freshSigner(), await freshSigner()];
  const rotation = { roles: ['root' as const], add: [three.key, four.key], remove: [one.key] };
  for (const signers of [[one, three, four], [two, three, four], [one, two].slice(1), []])
    await expectCode(rotate(maker, rotation, signers), 'signature-invalid');
  await rotate(maker, rotation, [one, two, three]);
  await rotate(maker, { roles: ['root'], threshold: 3 }, [two, three, four]);
  expect((await maker.device().refresh(maker.files)).root.roles.root.threshold).toBe(3);
});

test('rotateKeys() refuses keys that a role does not have and thresholds that it cannot meet', async () => {
  const maker = await Publisher.start();
  const stranger = await freshSigner();
  await expectCode(rotate(maker, { roles: ['targets'], remove: [stranger.key] }), 'key-invalid');
  const [key] = maker.signers.targets as [typeof stranger];
  await expect(rotate(maker, { roles: ['targets'], remove: [key.key] })).rejects.toThrow(RangeError);
  await expect(rotate(maker, { roles: ['targets'], threshold: 3 })).rejects.toThrow(RangeError);
});

test('rotateKeys() ends what a stolen timestamp key did, without that key', async () => {
  const maker = await Publisher.start();
  const device = maker.device();
  const fresh = await freshSigner();
  const [stolen, other] = maker.signers.timestamp as [typeof fresh, typeof fresh];
  await device.refresh(maker.files);
  const rotation = { roles: ['timestamp' as const], add: [fresh.key], remove: [stolen.key, other.key] };
  const { root, snapshot } = maker.signers;
  await rotate(maker, rotation, [...root, ...snapshot, fresh]);
  expect((await device.refresh(maker.files)).timestamp.version).toBe(2);
});
