import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { safetensors } from '../publish/publisher.js';
import { command, scratch } from './command.js';

const folder = scratch();
const at = (...names: string[]) => join(folder, ...names);
const [base, next, payload, releases] = [
  at('v1.safetensors'),
  at('v2.safetensors'),
  at('v2.ndiff'),
  at('releases'),
];
const key = ['--key', at('all.key.json')];
const publish = (...args: string[]) => command('publish', releases, ...args);
const reasonWhy = ['--withdraw', 'v2.ndiff', '--reason', 'wrong labels', ...key];

beforeAll(async () => {
  writeFileSync(base, safetensors(Array.from({ length: 100 }, (_, i) => i)));
  writeFileSync(next, safetensors(Array.from({ length: 100 }, (_, i) => i + (i % 9 === 0 ? 1 : 0))));
  expect((await command('diff', base, next, '-o', payload)).status).toBe(0);
  expect((await command('keys', 'generate', '-o', at('all'))).status).toBe(0);
  expect((await publish('--init', ...key)).status).toBe(0);
  const draft = ['--payload', payload, '--base', base, '--counter', '2'];
  expect((await publish(...draft, ...key)).status).toBe(0);
});

test('publish --withdraw --reason keeps a release listed; devices that have it say why', {
  timeout: 120_000,
}, async () => {
  const update = (model: string, ...more: string[]) => {
    const root = join(releases, 'metadata', '1.root.json');
    return command('update', '--model', model, '--repo', releases, '--root', root, ...more);
  };
  const [ahead, behind] = [at('ahead.safetensors'), at('behind.safetensors')];
  for (const model of [ahead, behind]) writeFileSync(model, readFileSync(base));
  expect((await update(ahead, '--confirm')).status).toBe(0);
  const status = () => command('status', '--model', ahead, '--json');
  expect(JSON.parse((await status()).stdout).withdrawn).toBeUndefined();

  expect((await publish(...reasonWhy)).status).toBe(0);
  const listed = JSON.parse((await publish('--list', '--json')).stdout);
  expect(listed.releases).toMatchObject([{ name: 'v2.ndiff', withdrawn: 'wrong labels', isLive: false }]);
  expect(listed.fleet).toEqual([]);
  expect((await publish('--list')).stdout).toContain('v2.ndiff, withdrawn: wrong labels');

  const withdrawn = { counter: 2, reason: 'wrong labels' };
  const told = await update(ahead, '--json');
  expect([told.status, JSON.parse(told.stdout)]).toMatchObject([0, { status: 'current', withdrawn }]);
  const line = 'the installed release 2 was withdrawn: wrong labels\n';
  expect((await update(ahead)).stdout).toContain(line);
  expect(JSON.parse((await status()).stdout)).toMatchObject({ status: 'settled', withdrawn });
  expect((await command('status', '--model', ahead)).stdout).toContain(line);
  const spared = await update(behind, '--json');
  expect([spared.status, JSON.parse(spared.stdout).status]).toEqual([0, 'current']);

  const detached = [
    '--release',
    join(releases, 'targets', 'v2.ndiff.release.json'),
    '--key',
    at('all.pub.json'),
  ];
  const verified = await command('verify', base, payload, ...detached, '--json');
  expect([verified.status, JSON.parse(verified.stdout)]).toMatchObject([
    5,
    { error: { code: 'release-refused', message: expect.stringContaining('wrong labels') } },
  ]);

  expect((await publish('--withdraw', 'v2.ndiff', ...key)).status).toBe(0);
  expect(JSON.parse((await publish('--list', '--json')).stdout).releases).toEqual([]);
});

test.each([
  [['--reason', 'wrong labels', '--refresh'], 'usage'],
  [['--withdraw', 'v2.ndiff', '--reason', 'two\nlines'], 'usage'],
  [['--withdraw', 'v2.ndiff', '--reason', 'x'.repeat(201)], 'usage'],
  [['--withdraw', 'v9.ndiff', '--reason', 'no such release'], 'file-not-found'],
])('publish %j: %s', async (args, code) => {
  const { status, stdout } = await publish(...args, ...key, '--json');
  expect([status, JSON.parse(stdout).error.code]).toEqual([2, code]);
});
