import { expect } from 'vitest';
import type { Role } from '../../../../src/release/metadata.js';
import type { Client, Scenario, Scenarios } from '../runner.js';
import { newSigner } from '../signers.js';
import { hashOf, inDays, type Simulator } from '../simulator.js';

const ALL = { root: 1, timestamp: 1, snapshot: 1, targets: 1 };
const FIRST_REQUESTS = ['root 2', 'timestamp', 'snapshot 1', 'targets 1'];
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** A root that the client was set up with is of no use: nothing is asked of the repository. */
const withRoot =
  (change: (root: { signed: { version?: number }; signatures: { sig: string }[] }) => void): Scenario =>
  async (client, repository) => {
    const root = JSON.parse(text(repository.newest('root')));
    change(root);
    await client.init(encode(root));
    expect(await client.refresh()).toBe(1);
    expect(repository.requests).toEqual([]);
  };

/** Trusted versions where the second version of a role is refused, and what comes after it is not fetched. */
const TRUSTED_BEFORE: Readonly<Record<Role, Partial<Record<Role, number>>>> = {
  root: { root: 1 },
  timestamp: { root: 2 },
  snapshot: { root: 2, timestamp: 2 },
  targets: { root: 2, timestamp: 2, snapshot: 2 },
};

const unsigned =
  (role: Role): Scenario =>
  async (client, repository) => {
    repository.signers.get(role)?.pop();
    repository.publish('root', 'targets', 'snapshot', 'timestamp');
    await client.init();
    expect(await client.refresh()).toBe(1);
    expect(client.versions()).toEqual(TRUSTED_BEFORE[role]);
  };

/** The file at `2.ROLE.json` has version 3. */
const mismatch =
  (role: 'root' | 'snapshot' | 'targets'): Scenario =>
  async (client, repository) => {
    repository[role].version++;
    repository.publish('root', 'targets', 'snapshot', 'timestamp');
    // Lists name the file by its address.
    repository.snapshot.meta['targets.json'] = { version: 2 };
    repository.timestamp.meta['snapshot.json'] = { version: 2 };
    repository.published.get('timestamp')?.pop();
    repository.timestamp.version = 1;
    repository.publish('timestamp');
    await client.init();
    expect(await client.refresh()).toBe(1);
    expect(client.versions()).toEqual(TRUSTED_BEFORE[role]);
  };

async function begin(client: Client): Promise<void> {
  await client.init();
  expect(await client.refresh()).toBe(0);
}

function expectSame(client: Client, repository: Simulator): void {
  for (const role of ['root', 'timestamp', 'snapshot', 'targets'])
    expect(client.trusted(role)).toEqual(Buffer.from(repository.newest(role)));
}

export const basic: Scenarios = {
  async test_basic_refresh_requests(client, repository) {
    await begin(client);
    expect(repository.requests).toEqual(FIRST_REQUESTS);
  },

  async test_basic_refresh_trusted_data(client, repository) {
    await begin(client);
    expectSame(client, repository);
  },

  async test_implicit_refresh(client, repository) {
    await client.init();
    expect(await client.download('nonexistent artifact')).toBe(1);
    expect(repository.requests).toEqual(FIRST_REQUESTS);
    expectSame(client, repository);
  },

  test_invalid_initial_root: withRoot(({ signed }) => {
    delete signed.version;
  }),

  test_unsigned_initial_root: withRoot(({ signatures }) => {
    for (const signature of signatures) signature.sig = newSigner().sign(new Uint8Array(5));
  }),

  'test_unsigned_metadata[root]': unsigned('root'),
  'test_unsigned_metadata[timestamp]': unsigned('timestamp'),
  'test_unsigned_metadata[snapshot]': unsigned('snapshot'),
  'test_unsigned_metadata[targets]': unsigned('targets'),

  'test_url_and_metadata_version_mismatch[root]': mismatch('root'),
  'test_url_and_metadata_version_mismatch[snapshot]': mismatch('snapshot'),
  'test_url_and_metadata_version_mismatch[targets]': mismatch('targets'),

  async test_timestamp_content_changes(client, repository) {
    await begin(client);
    repository.timestamp.meta['snapshot.json'].version = 100;
    repository.published.delete('timestamp');
    repository.publish('timestamp');
    expect(await client.refresh()).toBe(0);
    expect(repository.requests.at(-1)).toBe('timestamp');
    expect(JSON.parse(text(client.trusted('timestamp')!)).signed.meta['snapshot.json'].version).toBe(1);
  },

  async test_basic_metadata_hash_support(client, repository) {
    repository.listsHashes = true;
    repository.publish('targets', 'snapshot', 'timestamp');
    await begin(client);
    repository.publish('targets');
    repository.snapshot.meta['targets.json']!.hashes = { sha256: hashOf('sha256', new Uint8Array()) };
    repository.publish('snapshot', 'timestamp');
    expect(await client.refresh()).toBe(1);
    expect([client.version('snapshot'), client.version('targets')]).toEqual([3, 2]);
  },

  async test_metadata_bytes_match(client, repository) {
    await client.init();
    const bytes = new TextEncoder().encode(`${text(repository.newest('timestamp'))} `);
    repository.published.set('timestamp', [bytes]);
    expect(await client.refresh()).toBe(0);
    expect(client.trusted('timestamp')).toEqual(Buffer.from(bytes));
  },

  async test_custom_fields(client, repository) {
    await begin(client);
    Object.assign(repository.root, { 'custom-field': 'value' });
    repository.addKey('root', newSigner('ecdsa/ecdsa-sha2-nistp256', { 'extra-field': { a: 1, b: 2 } }));
    repository.root.roles.root['another-field'] = 'value';
    repository.publish('root');
    expect(await client.refresh()).toBe(0);
    expect(client.version('root')).toBe(2);
  },

  async test_deprecated_keyid_hash_algorithms(client, repository) {
    await client.init();
    repository.root.roles.snapshot.keyids.length = 0;
    repository.signers.delete('snapshot');
    const more = { keyid_hash_algorithms: 'md5' };
    repository.addKey('snapshot', newSigner('ecdsa/ecdsa-sha2-nistp256', more));
    repository.publish('root', 'snapshot', 'timestamp');
    expect(await client.refresh()).toBe(0);
    expect([client.version('root'), client.version('snapshot')]).toEqual([2, 2]);
  },

  async test_snapshot_404(client, repository) {
    await begin(client);
    repository.timestamp.meta['snapshot.json'].version++;
    repository.publish('timestamp');
    expect(await client.refresh()).toBe(1);
    expect(repository.requests.at(-1)).toBe('snapshot 2');
    expect(client.versions()).toEqual({ ...ALL, timestamp: 2 });
  },

  async test_targets_404(client, repository) {
    await begin(client);
    repository.snapshot.meta['targets.json']!.version++;
    repository.publish('snapshot', 'timestamp');
    expect(await client.refresh()).toBe(1);
    expect(repository.requests.at(-1)).toBe('targets 2');
    expect(client.versions()).toEqual({ ...ALL, timestamp: 2, snapshot: 2 });
  },

  async test_timestamp_404(client, repository) {
    await begin(client);
    repository.published.delete('timestamp');
    expect(await client.refresh()).toBe(1);
    expect(repository.requests.at(-1)).toBe('timestamp');
  },

  /** A snapshot that could be a timestamp, and that the timestamp's key has signed. */
  async test_incorrect_metadata_type(client, repository) {
    await client.init();
    repository.addKey('snapshot', repository.signers.get('timestamp')?.[0]);
    repository.snapshot.meta = { 'snapshot.json': { version: 1 } };
    repository.publish('root', 'snapshot');
    repository.published.set('timestamp', [repository.published.get('snapshot')!.pop()!]);
    expect(await client.refresh()).toBe(1);
    expect(client.versions()).toEqual({ root: 2 });
  },

  async test_faketime(client, repository) {
    await client.init();
    repository.root.expires = inDays(7);
    repository.publish('root');
    expect(await client.refresh()).toBe(0);
    expect(await client.refresh(new Date(inDays(8)))).toBe(1);
  },
};
