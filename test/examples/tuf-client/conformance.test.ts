import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inAProcess, inThisProcess, type Scenario, SimulatorServer } from './runner.js';
import { basic } from './scenarios/basic.js';
import { delegations } from './scenarios/delegations.js';
import { expiration } from './scenarios/expiration.js';
import { fileDownload } from './scenarios/file-download.js';
import { further } from './scenarios/further.js';
import { keyRotations } from './scenarios/key-rotations.js';
import { keys } from './scenarios/keys.js';
import { rollback } from './scenarios/rollback.js';

const XFAILS = join(import.meta.dirname, '..', '..', '..', 'examples', 'tuf-client', 'tuf-client.xfails');

/** Names of tests that the suite expects to fail, with or without their parameters. */
const expected = readFileSync(XFAILS, 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));

/** Tests of the suite that serve files of other people's repositories. */
const NOT_SIMULATED = ['test_static_repository[tuf-on-ci-0.11]'];

const suite = {
  ...basic,
  ...expiration,
  ...fileDownload,
  ...keys,
  ...rollback,
  ...keyRotations,
  ...delegations,
};

const originalName = (name: string): string => name.replace(/\[.*/, '');

/** Scenarios that need no other clock than the machine's, run as the suite runs them. */
const IN_PROCESSES = [
  'test_basic_refresh_requests',
  'test_unsigned_metadata[snapshot]',
  'test_new_timestamp_version_rollback',
  'test_root_expired',
  'test_artifact_cache',
  'test_keytype_and_scheme[ecdsa/ecdsa-sha2-nistp256]',
];

const server = new SimulatorServer();
beforeAll(() => server.start());
afterAll(() => server.close());

for (const [name, scenario] of Object.entries(suite)) {
  const isExpected = expected.includes(name) || expected.includes(originalName(name));
  // As in the suite, an expected failure that passes is a failure.
  (isExpected ? test.fails : test)(name, () => server.play(scenario, inThisProcess));
}

for (const [name, scenario] of Object.entries(further))
  test(`the TUF client: ${name}`, () => server.play(scenario, inThisProcess));

test.each(IN_PROCESSES)('the built program: %s', (name) => server.play(suite[name] as Scenario, inAProcess));

test('each expected failure is a scenario, or one that is not simulated', () => {
  const names = [...Object.keys(suite), ...NOT_SIMULATED];
  const known = new Set([...names, ...names.map(originalName)]);
  expect(expected.filter((name) => !known.has(name))).toEqual([]);
});
