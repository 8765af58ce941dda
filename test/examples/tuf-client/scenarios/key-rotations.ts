import { expect } from 'vitest';
import type { Role } from '../../../../src/release/metadata.js';
import type { Scenario, Scenarios } from '../runner.js';
import { newSigner } from '../signers.js';
import type { Simulator } from '../simulator.js';

/** Numbers of the keys that a role has, how many of them must sign, and of those that do sign. */
type Version = readonly [keys: readonly number[], threshold: number, signers: readonly number[]];

const FIVE = [0, 1, 2, 3, 4];
const NEXT_FIVE = [0, 1, 3, 4, 5];

/** Consecutive roots; of those whose name says `fail` the last one must be refused. */
const ROOTS: Readonly<Record<string, readonly Version[]>> = {
  '1-of-1-key-rotation': [
    [[1], 1, [1]],
    [[2], 1, [2, 1]],
    [[2], 1, [2]],
  ],
  '1-of-1-key-rotation-unused-signatures': [
    [[1], 1, [3, 1, 4]],
    [[2], 1, [3, 2, 1, 4]],
    [[2], 1, [3, 2, 4]],
  ],
  '3-of-5-sign-with-different-keycombos': [
    [FIVE, 3, [0, 2, 4]],
    [FIVE, 3, [0, 4, 1]],
    [FIVE, 3, [0, 1, 3]],
    [FIVE, 3, [0, 1, 3]],
  ],
  '3-of-5-one-key-rotated': [
    [FIVE, 3, [0, 2, 4]],
    [NEXT_FIVE, 3, [0, 4, 1]],
  ],
  '3-of-5-one-key-rotated-with-intermediate-step': [
    [FIVE, 3, [0, 2, 4]],
    [NEXT_FIVE, 3, [0, 2, 4, 5]],
    [NEXT_FIVE, 3, [0, 4, 5]],
  ],
  '3-of-5-all-keys-rotated-with-intermediate-step': [
    [FIVE, 3, [0, 2, 4]],
    [[5, 6, 7, 8, 9], 3, [0, 2, 4, 5, 6, 7]],
    [[5, 6, 7, 8, 9], 3, [5, 6, 7]],
  ],
  '1-of-3-threshold-increase-to-2-of-3': [
    [[1, 2, 3], 1, [1]],
    [[1, 2, 3], 2, [1, 2]],
  ],
  '2-of-3-threshold-decrease-to-1-of-3': [
    [[1, 2, 3], 2, [1, 2]],
    [[1, 2, 3], 1, [1, 2]],
    [[1, 2, 3], 1, [1]],
  ],
  '1-of-2-threshold-increase-to-2-of-2': [
    [[1], 1, [1]],
    [[1, 2], 2, [1, 2]],
  ],
  '1-of-1-key-rotation-fail-not-signed-with-old-key': [
    [[1], 1, [1]],
    [[2], 1, [2, 3, 4]],
  ],
  '1-of-1-key-rotation-fail-not-signed-with-new-key': [
    [[1], 1, [1]],
    [[2], 1, [1, 3, 4]],
  ],
  '3-of-5-one-key-rotate-fails-not-signed-with-3-new-keys': [
    [FIVE, 3, [0, 2, 4]],
    [NEXT_FIVE, 3, [0, 2, 4]],
  ],
  '3-of-5-one-key-rotate-fails-not-signed-with-3-old-keys': [
    [FIVE, 3, [0, 2, 4]],
    [NEXT_FIVE, 3, [0, 4, 5]],
  ],
  '1-of-3-threshold-bump-to-2-of-3-fails-new-threshold-not-reached': [
    [[1, 2, 3], 1, [1]],
    [[1, 2, 3], 2, [2]],
  ],
  '2-of-3-threshold-decr-to-1-of-3-fails-old-threshold-not-eached': [
    [[1, 2, 3], 2, [1, 2]],
    [[1, 2, 3], 1, [1]],
  ],
};

/** New keys of the other roles; `fail` and `not` in a name mean a refusal. */
const OTHERS: Readonly<Record<string, Version>> = {
  '1-of-1-key-rotation': [[2], 1, [2]],
  '1-of-1-key-rotation-unused-signatures': [[1], 1, [3, 1, 4]],
  '1-of-1-key-rotation-fail-not-signed-with-new-key': [[2], 1, [1, 3, 4]],
  '3-of-5-one-key-signature-wrong-not-signed-with-3-expected-keys': [NEXT_FIVE, 3, [0, 2, 4]],
  '2-of-5-one-key-signature-mising-threshold-not-reached': [NEXT_FIVE, 3, [0, 4]],
  '3-of-5-sign-first-combo': [FIVE, 3, [0, 2, 4]],
  '3-of-5-sign-second-combo': [FIVE, 3, [0, 4, 1]],
  '3-of-5-sign-third-combo': [FIVE, 3, [0, 1, 3]],
  '3-of-5-sign-fourth-combo': [FIVE, 3, [1, 2, 3]],
  '3-of-5-sign-fifth-combo': [FIVE, 3, [2, 3, 4]],
};

const SIGNERS = Array.from({ length: 10 }, () => newSigner());

function setKeys(repository: Simulator, role: Role, [keys, threshold, signers]: Version): void {
  repository.root.roles[role] = { keyids: [], threshold };
  for (const number of keys) repository.addKey(role, SIGNERS[number]);
  repository.signers.set(
    role,
    signers.map((number) => SIGNERS[number]!),
  );
}

const rootRotation =
  (name: string, versions: readonly Version[]): Scenario =>
  async (client, repository) => {
    repository.published.delete('root');
    for (const version of versions) {
      setKeys(repository, 'root', version);
      repository.publish('root');
    }
    const isRefused = name.includes('fail');
    await client.init();
    expect(await client.refresh()).toBe(isRefused ? 1 : 0);
    const last = repository.published.get('root')?.at(isRefused ? -2 : -1) as Uint8Array;
    expect(client.trusted('root')).toEqual(Buffer.from(last));
  };

const otherRotations =
  (name: string, version: Version): Scenario =>
  async (client, repository) => {
    await client.init();
    for (const role of ['timestamp', 'snapshot', 'targets'] as const) {
      setKeys(repository, role, version);
      repository.publish('root', 'targets', 'snapshot', 'timestamp');
      const isRefused = /fail|-not-/.test(name);
      expect(await client.refresh()).toBe(isRefused ? 1 : 0);
      if (!isRefused) expect(client.trusted(role)).toEqual(Buffer.from(repository.newest(role)));
    }
  };

export const keyRotations: Scenarios = Object.fromEntries([
  ...Object.entries(ROOTS).map(([name, versions]) => [
    `test_root_rotation[${name}]`,
    rootRotation(name, versions),
  ]),
  ...Object.entries(OTHERS).map(([name, version]) => [
    `test_non_root_rotations[${name}]`,
    otherRotations(name, version),
  ]),
]);
