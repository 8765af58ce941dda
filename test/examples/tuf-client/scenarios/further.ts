import { expect } from 'vitest';
import type { Role } from '../../../../src/release/metadata.js';
import type { Scenarios } from '../runner.js';
import { newSigner } from '../signers.js';
import { inDays } from '../simulator.js';

/** Scenarios that the suite does not have, or no longer has. */
export const further: Scenarios = {
  async 'the URL of targets has two names'(client, repository) {
    const content = 'content';
    await client.init();
    repository.addArtifact('targets', 'file.txt', content);
    repository.publish('targets', 'snapshot', 'timestamp');
    expect(await client.download('file.txt', new Date(), '--target-url')).toBe(0);
    expect(client.downloaded()).toEqual([content]);
  },

  async 'without consistent snapshots, names have neither version nor hash'(client, repository) {
    await client.init();
    repository.root.consistent_snapshot = false;
    repository.publish('root');
    expect(await client.refresh()).toBe(0);
    expect(repository.requests).toEqual(['root 2', 'root 3', 'timestamp', 'snapshot', 'targets']);
    repository.publish('targets', 'snapshot', 'timestamp');
    expect(await client.refresh()).toBe(0);
    expect(client.versions()).toEqual({ root: 2, timestamp: 2, snapshot: 2, targets: 2 });
  },

  async 'a missing root ends the chain: later ones are not asked for'(client, repository) {
    await client.init();
    for (let i = 0; i < 3; i++) repository.publish('root');
    const roots = repository.published.get('root') as Uint8Array[];
    const third = roots[2] as Uint8Array;
    delete roots[2];
    expect(await client.refresh()).toBe(0);
    expect([client.version('root'), repository.requests[1]]).toEqual([2, 'root 3']);
    roots[2] = third;
    expect(await client.refresh()).toBe(0);
    expect(client.version('root')).toBe(4);
  },

  async 'a repository that offers roots without end is left after 256'(client, repository) {
    await client.init();
    for (let i = 0; i < 260; i++) repository.publish('root');
    expect(await client.refresh()).toBe(0);
    expect(client.version('root')).toBe(257);
    expect(await client.refresh()).toBe(0);
    expect(client.version('root')).toBe(261);
  },

  async 'expired roots are followed to one that has not'(client, repository) {
    repository.root.expires = inDays(-1);
    repository.publish('root', 'root');
    repository.rotateKeys('timestamp');
    repository.root.expires = inDays(30);
    repository.publish('root', 'timestamp');
    await client.init();
    expect(await client.refresh()).toBe(0);
    expect(client.version('root')).toBe(4);
  },

  async 'a file that is longer than its list says is refused'(client, repository) {
    await client.init();
    repository.listsHashes = true;
    repository.publish('targets', 'snapshot', 'timestamp');
    for (const role of ['snapshot', 'targets']) {
      const files = repository.published.get(role) as Uint8Array[];
      const bytes = files.pop() as Uint8Array;
      files.push(Uint8Array.of(...bytes, 0x20));
      expect(await client.refresh()).toBe(1);
      files.splice(-1, 1, bytes);
    }
    expect(await client.refresh()).toBe(0);
  },

  async 'a timestamp of more than 16 kB is not read to its end'(client, repository) {
    await client.init();
    Object.assign(repository.timestamp, { note: 'x'.repeat(20_000) });
    repository.publish('timestamp');
    expect(await client.refresh()).toBe(1);
    expect(client.versions()).toEqual({ root: 1 });
  },

  async 'mix and match: targets of another snapshot are refused'(client, repository) {
    await client.init();
    repository.addArtifact('targets', 'file', 'one');
    repository.publish('targets', 'snapshot', 'timestamp');
    const files = repository.published.get('targets') as Uint8Array[];
    files[1] = files[0] as Uint8Array;
    expect(await client.refresh()).toBe(1);
    expect(client.versions()).toEqual({ root: 1, timestamp: 2, snapshot: 2 });
  },

  async 'a snapshot that no longer lists targets is refused'(client, repository) {
    await client.init();
    expect(await client.refresh()).toBe(0);
    repository.snapshot.meta = {};
    repository.publish('snapshot', 'timestamp');
    expect(await client.refresh()).toBe(1);
    expect([client.version('snapshot'), client.version('targets')]).toEqual([1, 1]);
  },

  async 'one key with two key IDs counts once'(client, repository) {
    await client.init();
    const [signer] = repository.signers.get('timestamp') as [ReturnType<typeof newSigner>];
    const { public: pem } = signer.key.keyval as { public: string };
    // The same key with another line break is another text, and has another ID.
    const keyval = { public: pem.replace(/\n.{10}/, '$&\n') };
    repository.addKey('timestamp', { ...signer, keyid: 'a'.repeat(64), key: { ...signer.key, keyval } });
    repository.addKey('timestamp', { ...signer, keyid: 'b'.repeat(64) });
    repository.root.roles.timestamp.threshold = 2;
    repository.publish('root', 'timestamp');
    expect(await client.refresh()).toBe(1);
    expect(client.versions()).toEqual({ root: 2 });
  },

  async 'another key under the key ID of a trusted one is not that key'(client, repository) {
    await client.init();
    const [signer] = repository.signers.get('root') as [ReturnType<typeof newSigner>];
    repository.signers.set('root', [{ ...newSigner(), keyid: signer.keyid }]);
    repository.publish('root');
    expect(await client.refresh()).toBe(1);
    expect(client.version('root')).toBe(1);
  },

  async 'a key that root metadata do not describe does not count'(client, repository) {
    await client.init();
    const signer = repository.addKey('timestamp');
    delete repository.root.keys[signer.keyid];
    repository.root.roles.timestamp.threshold = 2;
    repository.publish('root', 'timestamp');
    expect(await client.refresh()).toBe(1);
  },

  async 'a role signed with Ed25519 and one with ECDSA work together'(client, repository) {
    await client.init();
    for (const role of ['root', 'timestamp', 'snapshot', 'targets'] as Role[]) {
      repository.addKey(role, newSigner('ed25519/ed25519'));
      repository.root.roles[role].threshold = 2;
    }
    repository.publish('root', 'targets', 'snapshot', 'timestamp');
    expect(await client.refresh()).toBe(0);
    repository.signers.get('targets')?.shift();
    repository.publish('targets', 'snapshot', 'timestamp');
    expect(await client.refresh()).toBe(1);
    expect(client.versions()).toEqual({ root: 2, timestamp: 3, snapshot: 3, targets: 2 });
  },

  async 'names of targets are encoded in addresses and in file names'(client, repository) {
    await client.init();
    const names = ['a b', 'ä', '100%', '../up', '..', 'what?', 'a#b'];
    for (const name of names) repository.addArtifact('targets', name, name);
    repository.publish('targets', 'snapshot', 'timestamp');
    for (const name of ['a b', 'ä', '100%', 'what?', 'a#b']) expect(await client.download(name)).toBe(0);
    expect(client.downloaded().sort()).toEqual(['100%', 'a b', 'a#b', 'what?', 'ä']);
  },

  async 'damaged metadata in the folder are fetched again'(client, repository) {
    await client.init();
    expect(await client.refresh()).toBe(0);
    for (const role of ['timestamp', 'snapshot', 'targets']) client.damage(role);
    expect(await client.refresh()).toBe(0);
    for (const role of ['timestamp', 'snapshot', 'targets'])
      expect(client.trusted(role)).toEqual(Buffer.from(repository.newest(role)));
  },
};
