import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { findReleases } from '../../src/release/find-releases.js';
import { openMemoryMetadata } from '../../src/release/metadata.js';
import { refreshTrust } from '../../src/release/refresh-trust.js';
import { safetensors } from '../publish/publisher.js';
import { command, scratch } from './command.js';

const folder = scratch();
const at = (...names: string[]) => join(folder, ...names);
const [base, next, payload] = [at('v1.safetensors'), at('v2.safetensors'), at('v2.ndiff')];
const key = (name: string) => at(`${name}.key.json`);
const pub = (name: string) => at(`${name}.pub.json`);

/** Runs a command with `--json`. @returns exit status and what it printed */
async function run(...args: string[]) {
  const { status, stdout } = await command(...args, '--json');
  return { exit: status, ...JSON.parse(stdout) };
}

beforeAll(async () => {
  writeFileSync(base, safetensors(Array.from({ length: 100 }, (_, i) => i)));
  writeFileSync(next, safetensors(Array.from({ length: 100 }, (_, i) => i + (i % 9 === 0 ? 1 : 0))));
  expect((await command('diff', base, next, '-o', payload)).status).toBe(0);
  for (const name of ['root', 'targets', 'spare', 'online', 'stranger'])
    expect((await command('keys', 'generate', '-o', at(name))).status).toBe(0);
});

test('keys generate writes two halves, the private one for its owner alone, and replaces none', async () => {
  const made = await run('keys', 'generate', '-o', at('fresh'));
  expect(made).toMatchObject({ exit: 0, privateFile: key('fresh'), publicFile: pub('fresh') });
  expect(statSync(key('fresh')).mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(pub('fresh'), 'utf8')).keyval).toEqual({ public: made.public });
  expect(await run('keys', 'generate', '-o', at('fresh'))).toMatchObject({
    exit: 2,
    error: { code: 'output-exists' },
  });
  expect((await run('keys', 'burn', '-o', at('fresh'))).exit).toBe(2);
});

test('sign writes a release, and verify wants it whole, signed, and for this payload', async () => {
  const release = at('v2.ndiff.release.json');
  const words = [
    '--metric',
    'accuracy=0.963',
    '--metric',
    'loss=1e-3',
    '--device-class',
    'phone',
    '--device-class',
    'watch',
  ];
  const keys = ['--key', key('targets'), '--key', key('spare')];
  const dry = await run('sign', payload, '--base', base, '--counter', '2', ...keys, '--dry-run');
  expect([dry.exit, dry.dryRun, existsSync(release)]).toEqual([0, true, false]);
  const signed = await run('sign', payload, '--base', base, '--counter', '2', ...keys, ...words);
  expect(signed.release).toMatchObject({
    kind: 'update',
    counter: 2,
    metrics: { accuracy: 0.963, loss: 0.001 },
    deviceClasses: ['phone', 'watch'],
  });
  expect(await run('sign', payload, '--base', base, '--counter', '2', ...keys)).toMatchObject({
    exit: 2,
    error: { code: 'output-exists' },
  });

  const trust = ['--release', release, '--key', pub('targets'), '--key', pub('spare'), '--threshold', '2'];
  const verify = (...more: string[]) =>
    run('verify', base, payload, ...trust, '--device-class', 'phone', ...more);
  expect(await verify()).toMatchObject({ exit: 0, release: { name: 'v2.ndiff' } });
  expect(await verify('--counter', '3')).toMatchObject({ exit: 5, error: { code: 'release-refused' } });
  expect(await verify('--device-class', 'ring')).toMatchObject({
    exit: 5,
    error: { code: 'release-refused' },
  });
  expect(await verify('--threshold', '3')).toMatchObject({ exit: 2, error: { code: 'usage' } });
  const others = ['--release', release, '--key', pub('targets'), '--key', pub('stranger')];
  expect(await run('verify', base, payload, ...others, '--threshold', '2')).toMatchObject({
    exit: 5,
    error: { code: 'signature-invalid' },
  });
  expect(await run('verify', base, payload, '--release', release)).toMatchObject({
    exit: 2,
    error: { code: 'usage' },
  });

  const damaged = at('damaged.ndiff');
  writeFileSync(damaged, readFileSync(payload).subarray(1));
  expect(await run('verify', base, damaged, ...trust, '--device-class', 'phone')).toMatchObject({
    exit: 6,
    error: { code: 'payload-mismatch' },
  });
  const cut = at('cut.release.json');
  writeFileSync(cut, readFileSync(release).subarray(1));
  expect(await run('verify', base, payload, '--release', cut, '--key', pub('targets'))).toMatchObject({
    exit: 6,
    error: { code: 'metadata-corrupt' },
  });
  const { stdout } = await command('verify', base, payload, ...trust, '--device-class', 'phone');
  expect(stdout).toMatch(/^release {2}v2\.ndiff: update, .*\n[\s\S]*counter {2}2\n[\s\S]*fits: /);
});

test('sign refuses what does not fit, and says why', async () => {
  const out = ['-o', at('never.json')];
  const refusals: [string[], number, string][] = [
    [['--base', next, '--key', key('targets'), '--counter', '2'], 3, 'wrong-base'],
    [
      ['--base', base, '--key', key('targets'), '--counter', '2', '--next', 'f'.repeat(32)],
      6,
      'result-mismatch',
    ],
    [['--base', base, '--key', pub('targets'), '--counter', '2'], 2, 'key-invalid'],
    [['--base', base, '--key', at('none.json'), '--counter', '2'], 2, 'file-not-found'],
    [['--base', base, '--key', key('targets')], 2, 'usage'],
    [['--base', base, '--counter', '2'], 2, 'usage'],
    [['--base', base, '--key', key('targets'), '--counter', '2', '--metric', 'accuracy'], 2, 'usage'],
    [['--base', base, '--key', key('targets'), '--counter', '2', '--expires', 'soon'], 2, 'usage'],
    [['--base', base, '--key', key('targets'), '--counter', '0.5'], 6, 'metadata-corrupt'],
    [['--base', base, '--key', key('targets'), '--counter', '1.5'], 6, 'metadata-corrupt'],
    [['--key', key('targets'), '--counter', '2'], 2, 'bad-model'],
  ];
  for (const [flags, status, code] of refusals)
    expect(await run('sign', payload, ...flags, ...out)).toMatchObject({ exit: status, error: { code } });
  expect(existsSync(at('never.json'))).toBe(false);
});

test('publish begins a repository, adds releases, rotates keys, withdraws: devices follow', {
  timeout: 300_000,
}, async () => {
  const releases = at('releases');
  const store = openMemoryMetadata();
  const fetchMetadata = async (name: string) => {
    const path = join(releases, 'metadata', name);
    return existsSync(path) ? new Uint8Array(readFileSync(path)) : undefined;
  };
  const refresh = () => {
    const root = new Uint8Array(readFileSync(join(releases, 'metadata', '1.root.json')));
    return refreshTrust({ root, store, fetchMetadata, now: () => new Date() });
  };
  const publish = (...args: string[]) => run('publish', releases, ...args);
  const online = ['--key', key('online')];
  const roles = ['--root-key', key('root'), '--targets-key', key('targets'), '--online-key', key('online')];
  expect(await publish('--payload', payload, '--base', base, '--counter', '2', ...online)).toMatchObject({
    exit: 2,
    error: { code: 'file-not-found' },
  });
  expect(await publish('--init', ...roles, '--dry-run')).toMatchObject({ exit: 0, dryRun: true });
  expect(existsSync(releases)).toBe(false);
  const begun = await publish('--init', ...roles);
  expect(begun).toMatchObject({ exit: 0, versions: { root: 1, targets: 1, snapshot: 1, timestamp: 1 } });
  expect(await publish('--init', ...roles)).toMatchObject({ exit: 2, error: { code: 'output-exists' } });
  expect((await refresh()).targets.targets.size).toBe(0);

  const signers = ['--key', key('targets'), ...online];
  const draft = [
    '--payload',
    payload,
    '--base',
    base,
    '--counter',
    '2',
    '--expires',
    'release=60,timestamp=3',
  ];
  expect(await publish(...draft, ...online)).toMatchObject({
    exit: 5,
    error: { code: 'signature-invalid' },
  });
  expect((await publish(...draft, ...signers, '--dry-run')).exit).toBe(0);
  expect((await refresh()).targets.version).toBe(1);
  const published = await publish(...draft, ...signers);
  expect(published).toMatchObject({
    exit: 0,
    release: { name: 'v2.ndiff', kind: 'update' },
    versions: { targets: 2 },
  });
  expect((await publish('--payload', next, '--counter', '2', ...signers)).release).toMatchObject({
    kind: 'full',
  });
  expect(await publish('--payload', next, '--counter', '1', '--name', 'v0', ...signers)).toMatchObject({
    exit: 5,
    error: { code: 'release-refused' },
  });
  const [from, to] = [published.release.base as string, published.release.next as string];
  expect(await publish('--list')).toMatchObject({
    exit: 0,
    releases: [
      { name: 'v2.ndiff', kind: 'update', counter: 2, base: from, next: to, isLive: true },
      { name: 'v2.safetensors', kind: 'full' },
    ],
    fleet: [
      { model: to, status: 'current' },
      { model: from, status: 'available', counter: 2, files: ['v2.ndiff'] },
    ],
  });
  const { stdout: listed } = await command('publish', releases, '--list');
  expect(listed).toMatch(/^counter .*\n {6}2 {2}update .*v2[.]ndiff\n[\s\S]* current\n[\s\S]* to 2 /);
  const staged = ['--rollout', '12.5%', '--release', 'v2.ndiff'];
  expect((await publish(...staged, ...signers)).exit).toBe(0);
  expect((await publish('--list')).releases[0]).toMatchObject({ name: 'v2.ndiff', rollout: 1_250 });
  expect((await command('publish', releases, '--list')).stdout).toContain('all, 12.5 %');
  for (const wrong of [
    ['--release', 'v2.ndiff'],
    ['--rollout', '101%', '--release', 'v2.ndiff'],
  ])
    expect(await publish(...wrong, ...signers)).toMatchObject({ exit: 2, error: { code: 'usage' } });
  await publish('--rollout', '100%', '--release', 'v2.ndiff', ...signers);
  const { usable } = findReleases(await refresh(), { counter: 1 });
  expect(usable.map(({ statement }) => statement.name)).toEqual(['v2.ndiff', 'v2.safetensors']);
  expect(readFileSync(join(releases, 'targets', usable[0]?.path as string))).toEqual(readFileSync(payload));

  const rotate = ['--rotate', 'targets', '--remove-key', pub('targets'), '--add-key', key('spare')];
  expect(await publish(...rotate, ...signers)).toMatchObject({
    exit: 5,
    error: { code: 'signature-invalid' },
  });
  expect(await publish('--rotate', 'targets', ...signers)).toMatchObject({
    exit: 2,
    error: { code: 'usage' },
  });
  expect((await publish(...rotate, '--key', key('root'), ...signers)).versions.root).toBe(2);
  expect(await publish('--withdraw', 'v2.ndiff', ...signers)).toMatchObject({
    exit: 5,
    error: { code: 'signature-invalid' },
  });
  expect((await publish('--withdraw', 'v2.ndiff', '--key', key('spare'), ...online)).exit).toBe(0);
  const after = await refresh();
  expect([after.root.version, after.targets.targets.size]).toEqual([2, 1]);

  expect((await publish('--refresh', ...online)).exit).toBe(0);
  expect((await publish('--refresh', 'root', '--key', key('root'))).versions.root).toBe(3);
  expect(await publish('--refresh', 'leaf', ...online)).toMatchObject({
    exit: 2,
    error: { code: 'usage' },
  });
  expect(await publish(...online)).toMatchObject({ exit: 2, error: { code: 'usage' } });
  expect((await refresh()).root.version).toBe(3);
  expect(readdirSync(join(releases, 'metadata')).filter((name) => name.includes('tmp'))).toEqual([]);
});

test.each(['keys', 'sign', 'publish'])('%s has help with examples', async (name) => {
  const { status, stdout } = await command(name, '--help');
  expect(status).toBe(0);
  expect(stdout).toContain(`neural-diff ${name}`);
  expect(stdout).toContain('Examples:');
});

test('sign --oms covers the files of a model, and verify --oms finds what was changed', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  writeFileSync(at('oms.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  writeFileSync(at('oms.pub.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
  const bundle = `${base}.sig`;
  const signing = ['sign', base, '--oms', '--key', at('oms.pem')];
  expect(await run(...signing, '--dry-run')).toMatchObject({ exit: 0, out: bundle, files: 1, dryRun: true });
  expect(existsSync(bundle)).toBe(false);
  expect(await run(...signing)).toMatchObject({ exit: 0, out: bundle, files: 1 });
  expect(await run(...signing)).toMatchObject({ exit: 2, error: { code: 'output-exists' } });
  const verify = (model: string, ...more: string[]) =>
    run('verify', model, '--oms', bundle, '--key', at('oms.pub.pem'), ...more);
  expect(await verify(base)).toMatchObject({ exit: 0, files: 1 });
  expect(await verify(next)).toMatchObject({ exit: 5, error: { code: 'metadata-mismatch' } });
  expect(await verify(base, '--key', at('oms.pub.pem'))).toMatchObject({ exit: 2, error: { code: 'usage' } });
  expect((await command('verify', base)).stderr).toContain('Expected a payload, or --oms');
});
