import { expect } from 'vitest';
import type { Scenario, Scenarios } from '../runner.js';
import { inDays, type Simulator } from '../simulator.js';

/** Who delegates to whom, and under which conditions. */
type Delegation = readonly [from: string, to: string, more?: { paths?: string[]; terminating?: boolean }];

const AB: readonly Delegation[] = [
  ['targets', 'A'],
  ['targets', 'B'],
];

/** Delegations, and the order in which a search for a missing target asks for the roles. */
const GRAPHS: Readonly<Record<string, readonly [readonly Delegation[], string]>> = {
  'basic-delegation': [[['targets', 'A']], 'A'],
  'single-level-delegations': [AB, 'AB'],
  'two-level-delegations': [[...AB, ['B', 'C']], 'ABC'],
  'two-level-test-DFS-order-of-traversal': [[...AB, ['A', 'C'], ['A', 'D']], 'ACDB'],
  'three-level-delegation-test-DFS-order-of-traversal': [[...AB, ['A', 'C'], ['C', 'D']], 'ACDB'],
  'two-level-terminating-ignores-all-but-roles-descendants': [
    [...AB, ['A', 'C', { terminating: true }], ['A', 'D']],
    'AC',
  ],
  'three-level-terminating-ignores-all-but-roles-descendants': [
    [...AB, ['A', 'C', { terminating: true }], ['C', 'D']],
    'ACD',
  ],
  'two-level-ignores-all-branches-not-matching-paths': [
    [
      ['targets', 'A', { paths: ['*.py'] }],
      ['targets', 'B'],
      ['A', 'C'],
    ],
    'B',
  ],
  'three-level-ignores-all-branches-not-matching-paths': [
    [...AB, ['A', 'C', { paths: ['*.py'] }], ['C', 'D']],
    'AB',
  ],
  'cyclic-graph': [[...AB, ['B', 'C'], ['C', 'D'], ['D', 'B']], 'ABCD'],
  'two-roles-delegating-to-a-third': [[...AB, ['B', 'C'], ['A', 'C']], 'ACB'],
  'two-roles-delegating-to-a-third-different-paths': [
    [...AB, ['B', 'C'], ['A', 'C', { paths: ['*.py'] }]],
    'ABC',
  ],
};

function publishAll(repository: Simulator): void {
  repository.publish(...repository.delegated.keys(), 'targets', 'snapshot', 'timestamp');
}

const traversal =
  ([delegations, order]: readonly [readonly Delegation[], string]): Scenario =>
  async (client, repository) => {
    await client.init();
    for (const [from, to, more] of delegations) repository.delegate(from, to, more);
    publishAll(repository);
    expect(await client.download('missingpath')).toBe(1);
    expect(repository.requests.slice(4)).toEqual([...order].map((role) => `${role} 1`));
  };

const search =
  (path: string, order: string, isFound = true): Scenario =>
  async (client, repository) => {
    await client.init();
    repository.delegate('targets', 'A', { paths: ['*.doc', '*.md'] });
    repository.delegate('targets', 'B', { paths: ['releases/*/*'] });
    repository.delegate('B', 'C', { paths: ['releases/x/*'] });
    repository.delegate('B', 'D', { paths: ['releases/y/*.zip'] });
    repository.addArtifact('targets', 'targetfile', 'targetfile content');
    repository.addArtifact('A', 'README.md', 'README by A');
    repository.addArtifact('C', 'releases/x/x_v1', 'x release by C');
    repository.addArtifact('D', 'releases/y/y_v1.zip', 'y release by D');
    repository.addArtifact('D', 'releases/z/z_v1.zip', 'z release by D');
    publishAll(repository);
    expect(await client.download(path)).toBe(isFound ? 0 : 1);
    expect(client.downloaded()).toHaveLength(isFound ? 1 : 0);
    expect(repository.requests.slice(4)).toEqual([...order].map((role) => `${role} 1`));
  };

const unusualName =
  (role: string): Scenario =>
  async (client, repository) => {
    repository.delegate('targets', role);
    publishAll(repository);
    await client.init();
    expect(await client.download('nonexistent target')).toBe(1);
    expect(repository.requests).toContain(`${encodeURIComponent(role)} 1`);
  };

/** A delegated role that holds for some days, with two files. */
async function delegateFor(repository: Simulator, days: number): Promise<void> {
  repository.delegate('targets', 'delegated').expires = inDays(days);
  for (const name of ['first', 'second']) repository.addArtifact('delegated', name, name);
  publishAll(repository);
}

export const delegations: Scenarios = {
  ...Object.fromEntries(
    Object.entries(GRAPHS).map(([name, graph]) => [`test_graph_traversal[${name}]`, traversal(graph)]),
  ),

  'test_targetfile_search[no delegations]': search('targetfile', ''),
  'test_targetfile_search[targetpath matches wildcard]': search('README.md', 'A'),
  'test_targetfile_search[targetpath with separators x]': search('releases/x/x_v1', 'BC'),
  'test_targetfile_search[targetpath with separators y]': search('releases/y/y_v1.zip', 'BD'),
  'test_targetfile_search[targetpath is not delegated by all roles in the chain]': search(
    'releases/z/z_v1.zip',
    'B',
    false,
  ),

  'test_unusual_role_name[?]': unusualName('?'),
  'test_unusual_role_name[#]': unusualName('#'),
  'test_unusual_role_name[/delegatedrole]': unusualName('/delegatedrole'),
  'test_unusual_role_name[../delegatedrole]': unusualName('../delegatedrole'),

  async test_delegated_targets_expired(client, repository) {
    await client.init();
    await delegateFor(repository, -1);
    expect(await client.refresh()).toBe(0);
    expect(await client.download('first')).toBe(1);
    expect(client.downloaded()).toEqual([]);
    expect(client.versions()).toEqual({ root: 1, timestamp: 2, snapshot: 2, targets: 2 });
  },

  async test_expired_local_delegated_targets(client, repository) {
    await client.init();
    await delegateFor(repository, 7);
    expect(await client.download('first')).toBe(0);
    expect(await client.download('second', new Date(inDays(18)))).toBe(1);
    expect(client.downloaded()).toEqual(['first']);
  },

  async test_expired_local_delegated_targets_updates(client, repository) {
    await client.init();
    await delegateFor(repository, 7);
    expect(await client.download('first')).toBe(0);
    await delegateFor(repository, 21);
    expect(await client.download('second', new Date(inDays(18)))).toBe(0);
    expect(client.downloaded()).toEqual(['first', 'second']);
  },
};
