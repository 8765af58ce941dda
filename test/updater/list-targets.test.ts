import { beforeEach, expect, test } from 'vitest';
import type { UpdateSource } from '../../src/updater/http-source.js';
import { listTargets } from '../../src/updater/list-targets.js';
import {
  expectCode,
  sampleStatement,
  sha256Hex,
  TestDevice,
  TestRepository,
  targetOf,
} from '../release/maker.js';

const CONTENT = new TextEncoder().encode('labels');

let repository: TestRepository;
let options: Parameters<typeof listTargets>[0];

/** A repository with a release and with a file of another kind, and a device that follows it. */
beforeEach(() => {
  repository = new TestRepository();
  const { root, store, clock } = new TestDevice(repository);
  const source: UpdateSource = {
    fetch: (path) => repository.fetchMetadata(path.replace('metadata/', '')),
    open: () => Promise.reject(new Error('was asked for a range')),
  };
  options = { root, store, source, now: clock.now };
  const other = { length: CONTENT.length, hashes: { sha256: sha256Hex(CONTENT) } };
  repository.publish({ ...targetOf(sampleStatement()), 'files/labels.json': other });
});

test('listTargets() lists releases and other files, with their hashes in their paths', async () => {
  const targets = await listTargets(options);
  expect([...targets.keys()]).toEqual(['files/labels.json', 'v2.ndiff']);
  const sha256 = sha256Hex(CONTENT);
  const path = `files/${sha256}.labels.json`;
  expect(targets.get('files/labels.json')).toEqual({ path, bytes: CONTENT.length, sha256 });
});

test('listTargets() gives plain paths where there are no consistent snapshots', async () => {
  repository.addRoot({ more: { consistent_snapshot: false } });
  for (const role of ['snapshot', 'targets'])
    repository.files.set(`${role}.json`, repository.files.get(`2.${role}.json`) as Uint8Array);
  expect((await listTargets(options)).get('files/labels.json')?.path).toBe('files/labels.json');
});

test('listTargets() keeps what it has verified, and asks for the rest alone', async () => {
  await listTargets(options);
  repository.fetched.length = 0;
  await listTargets(options);
  expect(repository.fetched).toEqual(['2.root.json', 'timestamp.json']);
});

test('listTargets() refuses expired metadata, and lists nothing', async () => {
  await listTargets(options);
  repository.clock.pass(20);
  await expectCode(listTargets(options), 'metadata-expired');
});

test('listTargets() stops at its time limit and at a signal', async () => {
  const source: UpdateSource = { ...options.source, fetch: () => new Promise(() => {}) };
  await expectCode(listTargets({ ...options, source, metadataMs: 1 }), 'network');
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(listTargets({ ...options, source, signal })).rejects.toThrow('enough');
});
