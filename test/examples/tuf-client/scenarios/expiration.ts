import { expect } from 'vitest';
import type { Scenario, Scenarios } from '../runner.js';
import { inDays } from '../simulator.js';

const ALL = { root: 1, timestamp: 1, snapshot: 1, targets: 1 };

const day = (number: number): Date => new Date(inDays(number));

/** A role's second version has expired; what lists it is taken over. */
const expired =
  (role: 'timestamp' | 'snapshot' | 'targets', trusted: object): Scenario =>
  async (client, repository) => {
    await client.init();
    expect(await client.refresh()).toBe(0);
    repository[role].expires = inDays(-5);
    repository.publish('targets', 'snapshot', 'timestamp');
    expect(await client.refresh()).toBe(1);
    expect(client.versions()).toEqual({ ...ALL, ...trusted });
  };

/** What a client trusts of a role has expired, but the repository has a version that has not. */
const expiredLocal =
  (role: 'root' | 'timestamp' | 'snapshot' | 'targets'): Scenario =>
  async (client, repository) => {
    await client.init();
    repository[role].expires = inDays(7);
    repository.publish('root', 'targets', 'snapshot', 'timestamp');
    expect(await client.refresh()).toBe(0);
    expect(await client.refresh(day(18))).toBe(1);
    repository[role].expires = inDays(21);
    repository.publish('root', 'targets', 'snapshot', 'timestamp');
    expect(await client.refresh(day(18))).toBe(0);
    expect(client.versions()).toEqual({ root: 3, timestamp: 3, snapshot: 3, targets: 3 });
  };

export const expiration: Scenarios = {
  async test_root_expired(client, repository) {
    await client.init();
    expect(await client.refresh()).toBe(0);
    repository.publish('root');
    expect(await client.refresh()).toBe(0);
    repository.root.expires = inDays(-1);
    repository.publish('root', 'targets', 'snapshot', 'timestamp');
    expect(await client.refresh()).toBe(1);
    // The root is stored before its date is compared (5.3.10).
    expect(client.versions()).toEqual({ ...ALL, root: 3 });
  },

  test_timestamp_expired: expired('timestamp', {}),
  test_snapshot_expired: expired('snapshot', { timestamp: 2 }),
  test_targets_expired: expired('targets', { timestamp: 2, snapshot: 2 }),

  test_expired_local_root: expiredLocal('root'),
  test_expired_local_timestamp: expiredLocal('timestamp'),
  test_expired_local_snapshot: expiredLocal('snapshot'),
  test_expired_local_targets: expiredLocal('targets'),
};
