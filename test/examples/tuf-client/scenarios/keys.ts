import { expect } from 'vitest';
import type { Scenario, Scenarios } from '../runner.js';
import { KEY_TYPES, type KeyType, newSigner } from '../signers.js';

/** A key of a type must sign the next root; then its signature is one of something else. */
const keyType =
  (type: KeyType): Scenario =>
  async (client, repository) => {
    await client.init();
    const signer = repository.addKey('root', newSigner(type));
    repository.root.roles.root.threshold++;
    repository.publish('root');
    expect(await client.refresh()).toBe(0);
    expect(client.version('root')).toBe(2);
    repository.publish('root');
    repository.alter('root', ({ signatures }) => {
      for (const signature of signatures)
        if (signature.keyid === signer.keyid) signature.sig = signer.sign(new Uint8Array(9));
    });
    expect(await client.refresh()).toBe(1);
    expect(client.version('root')).toBe(2);
  };

export const keys: Scenarios = {
  async test_snapshot_does_not_meet_threshold(client, repository) {
    repository.root.roles.snapshot.threshold = 3;
    for (let i = 0; i < 2; i++) repository.addKey('snapshot');
    repository.publish('root', 'targets', 'snapshot', 'timestamp');
    await client.init();
    expect(await client.refresh()).toBe(0);
    repository.signers.get('snapshot')?.pop();
    repository.publish('targets', 'snapshot', 'timestamp');
    expect(await client.refresh()).toBe(1);
    expect(client.version('snapshot')).toBe(2);
  },

  async test_snapshot_has_too_few_keys(client, repository) {
    await client.init();
    for (let i = 0; i < 4; i++) repository.addKey('snapshot');
    repository.root.roles.snapshot.threshold = 6;
    repository.publish('root', 'snapshot', 'timestamp');
    expect(await client.refresh()).toBe(1);
    expect([client.version('root'), client.version('snapshot')]).toEqual([2, undefined]);
  },

  /** One key, nine times in the role and nine times in the signatures. */
  async test_duplicate_keys(client, repository) {
    await client.init();
    const { keyid } = repository.addKey('snapshot');
    for (let i = 0; i < 8; i++) repository.root.roles.snapshot.keyids.push(keyid);
    repository.root.roles.snapshot.threshold = 6;
    repository.publish('root', 'snapshot', 'timestamp');
    repository.alter('snapshot', ({ signatures }) => {
      const signature = signatures.find((each) => each.keyid === keyid)!;
      for (let i = 0; i < 8; i++) signatures.push(signature);
    });
    expect(await client.refresh()).toBe(1);
    expect(client.version('snapshot')).toBeUndefined();
  },

  async test_duplicate_sig_keyids(client, repository) {
    await client.init();
    repository.alter('snapshot', ({ signatures }) => signatures.push(signatures[0]!));
    expect(await client.refresh()).toBe(1);
    expect(client.version('snapshot')).toBeUndefined();
  },

  ...Object.fromEntries(KEY_TYPES.map((type) => [`test_keytype_and_scheme[${type}]`, keyType(type)])),

  /** The signature of another file, then an empty one; the other key's signature is valid. */
  async test_invalid_sig_in_valid_metadata(client, repository) {
    await client.init();
    const first = repository.signers.get('timestamp')![0]!;
    repository.addKey('timestamp');
    for (const sig of [first.sign(new Uint8Array(9)), '']) {
      repository.publish('root', 'timestamp');
      repository.alter('timestamp', ({ signatures }) => {
        for (const each of signatures) if (each.keyid === first.keyid) each.sig = sig;
      });
      expect(await client.refresh()).toBe(0);
    }
    expect(client.version('timestamp')).toBe(3);
  },
};
