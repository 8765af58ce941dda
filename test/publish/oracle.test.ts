import {
  Metadata,
  MetadataKind,
  MetaFile,
  Root,
  Signature,
  Snapshot,
  TargetFile,
  Targets,
  Timestamp,
} from '@tufjs/models';
import { expect, test } from 'vitest';
import { findReleases } from '../../src/release/find-releases.js';
import { canonicalJson, type JsonObject } from '../../src/release/json.js';
import { ROLES, type Role } from '../../src/release/metadata.js';
import { encodeStatement } from '../../src/release/statement.js';
import { Clock, sampleStatement, sha256Hex, TestDevice, testKey } from '../release/maker.js';
import { Publisher, sampleUpdate } from './publisher.js';

const kinds = {
  root: MetadataKind.Root,
  timestamp: MetadataKind.Timestamp,
  snapshot: MetadataKind.Snapshot,
  targets: MetadataKind.Targets,
} as const;

test('@tufjs/models verifies what publishRelease() makes', async () => {
  const maker = await Publisher.start();
  const { payload, base } = await sampleUpdate();
  await maker.publish({
    name: 'v2.ndiff',
    bytes: payload,
    base,
    counter: 2,
    expires: new Date('2027-05-01T00:00:00Z'),
  });
  const open = (role: Role, path: string) =>
    Metadata.fromJSON(
      kinds[role] as MetadataKind.Root,
      JSON.parse(new TextDecoder().decode(maker.files.files.get(`metadata/${path}`))),
    );
  const root = open('root', '1.root.json');
  const names = {
    root: '1.root.json',
    timestamp: 'timestamp.json',
    snapshot: '2.snapshot.json',
    targets: '2.targets.json',
  };
  for (const role of ROLES) root.verifyDelegate(role, open(role, names[role]));
  const timestamp = open('timestamp', 'timestamp.json').signed as unknown as Timestamp;
  timestamp.snapshotMeta.verify(Buffer.from(maker.files.files.get('metadata/2.snapshot.json') as Uint8Array));
  const snapshot = open('snapshot', '2.snapshot.json').signed as unknown as Snapshot;
  snapshot.meta['targets.json']?.verify(
    Buffer.from(maker.files.files.get('metadata/2.targets.json') as Uint8Array),
  );
  expect(() => root.verifyDelegate('targets', open('snapshot', '2.snapshot.json') as never)).toThrow();
});

test('refreshTrust() trusts what @tufjs/models makes and signs', async () => {
  const clock = new Clock();
  const common = (days: number) => ({ version: 1, specVersion: '1.0.31', expires: clock.after(days) });
  const statement = sampleStatement();
  const custom = { 'neural-diff': encodeStatement(statement) };
  const target = new TargetFile({
    path: statement.name,
    length: statement.bytes,
    hashes: { sha256: statement.sha256, sha512: 'ab'.repeat(64) },
    unrecognizedFields: { custom } as never,
  });
  const { key, keyid, sign } = testKey(5);
  const roles = Object.fromEntries(
    ROLES.map((role) => [role, { keyids: [keyid], threshold: 1, 'x-note': 'more' }]),
  );
  const rootFields = {
    _type: 'root',
    spec_version: '1.0.31',
    version: 1,
    expires: clock.after(100),
    consistent_snapshot: true,
  };
  const root = Root.fromJSON({
    ...rootFields,
    keys: { [keyid]: { ...key, 'x-owner': 'a "b" \\ ö' } },
    roles,
    'x-more': [1, null, true],
  } as never);
  const file = (signed: Root | Targets | Snapshot | Timestamp) => {
    const metadata = new Metadata(signed as Root);
    metadata.sign((data) => new Signature({ keyID: keyid, sig: Buffer.from(sign(data)).toString('hex') }));
    return new TextEncoder().encode(JSON.stringify(metadata.toJSON(), null, 2));
  };
  const meta = (bytes: Uint8Array) =>
    new MetaFile({ version: 1, length: bytes.length, hashes: { sha256: sha256Hex(bytes) } });
  const targets = file(new Targets({ ...common(50), targets: { [statement.name]: target } }));
  const snapshot = file(new Snapshot({ ...common(30), meta: { 'targets.json': meta(targets) } }));
  const timestamp = file(new Timestamp({ ...common(10), snapshotMeta: meta(snapshot) }));
  const files = new Map([
    ['1.root.json', file(root)],
    ['1.targets.json', targets],
    ['1.snapshot.json', snapshot],
    ['timestamp.json', timestamp],
  ]);
  const device = new TestDevice({ files, clock } as never);
  const trust = await device.refresh({ fetchMetadata: async (name) => files.get(name) });
  expect(findReleases(trust, { counter: 1 }).usable.map((release) => release.statement)).toEqual([statement]);
  expect(canonicalJson(root.toJSON() as unknown as JsonObject).length).toBeGreaterThan(100);
});
