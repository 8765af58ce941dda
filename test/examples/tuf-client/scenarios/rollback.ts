import { expect } from 'vitest';
import type { Role } from '../../../../src/release/metadata.js';
import type { Scenario, Scenarios } from '../runner.js';
import type { Simulator } from '../simulator.js';

/** Forgets what was published of a role; the next publication is version 1 again. */
function restart(repository: Simulator, role: 'timestamp' | 'snapshot' | 'targets'): void {
  repository.published.delete(role);
  repository[role].version = 1;
}

const snapshotRollback =
  (listsHashes: boolean): Scenario =>
  async (client, repository) => {
    await client.init();
    repository.listsHashes = listsHashes;
    repository.publish('snapshot', 'timestamp');
    expect(await client.refresh()).toBe(0);
    restart(repository, 'snapshot');
    repository.publish('snapshot', 'timestamp');
    expect(await client.refresh()).toBe(1);
    expect([client.version('timestamp'), client.version('snapshot')]).toEqual([2, 2]);
    expect(repository.requests.at(-1)).toBe('timestamp');
  };

const targetsRollback =
  (listsHashes: boolean): Scenario =>
  async (client, repository) => {
    await client.init();
    repository.listsHashes = listsHashes;
    repository.publish('targets', 'snapshot', 'timestamp');
    expect(await client.refresh()).toBe(0);
    restart(repository, 'targets');
    repository.publish('targets', 'snapshot', 'timestamp');
    expect(await client.refresh()).toBe(1);
    expect([client.version('snapshot'), client.version('targets')]).toEqual([2, 2]);
  };

/** A role has reached version 100; new keys of some roles let it begin at 1 again. */
const recovery =
  (role: 'timestamp' | 'snapshot' | 'targets', rotated: readonly Role[]): Scenario =>
  async (client, repository) => {
    await client.init();
    for (let i = 0; i < 99; i++) repository.publish(role);
    if (role === 'targets') repository.publish('snapshot');
    if (role !== 'timestamp') repository.publish('timestamp');
    expect(await client.refresh()).toBe(0);
    expect(client.version(role)).toBe(100);
    for (const each of rotated) repository.rotateKeys(each);
    restart(repository, role);
    repository.publish('root');
    for (const each of ['targets', 'snapshot', 'timestamp'] as const)
      if (each === role || role !== 'timestamp') repository.publish(each);
    expect(await client.refresh()).toBe(0);
    expect(client.version(role)).toBe(1);
  };

export const rollback: Scenarios = {
  async test_new_timestamp_version_rollback(client, repository) {
    await client.init();
    repository.publish('timestamp');
    expect(await client.refresh()).toBe(0);
    expect(client.version('timestamp')).toBe(2);
    restart(repository, 'timestamp');
    repository.publish('timestamp');
    expect(await client.refresh()).toBe(1);
    expect(client.version('timestamp')).toBe(2);
    expect(repository.requests.at(-1)).toBe('timestamp');
  },

  'test_snapshot_rollback[basic]': snapshotRollback(false),
  'test_snapshot_rollback[with hashes]': snapshotRollback(true),
  'test_targets_rollback[basic]': targetsRollback(false),
  'test_targets_rollback[with hashes]': targetsRollback(true),

  test_new_targets_fast_forward_recovery: recovery('targets', ['snapshot']),
  test_new_snapshot_fast_forward_recovery: recovery('snapshot', ['snapshot', 'timestamp']),
  test_new_timestamp_fast_forward_recovery: recovery('timestamp', ['timestamp']),
};
