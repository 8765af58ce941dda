import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { Fleet } from '../updater/fleet.js';
import { command, scratch } from './command.js';

const COUNT = 7;
const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);
const model = (i: number): string => at('models', `v${i}.safetensors`);
const key = ['--key', at('k.key.json')];

/** Publishes a version's payload. @returns what it printed as JSON, and as text for people */
async function publish(i: number, ...more: string[]) {
  const release = ['--payload', at(`v${i}.ndiff`), '--base', model(i - 1), '--counter', String(i)];
  const { status, stdout, stderr } = await command('publish', at('repo'), ...release, ...key, ...more);
  return { status, stdout, stderr };
}

beforeAll(async () => {
  const fleet = await Fleet.startNow(COUNT);
  mkdirSync(at('models'));
  fleet.versions.forEach((version, i) => {
    writeFileSync(model(i), writeSafetensors(version.model));
    if (i > 0) writeFileSync(at(`v${i}.ndiff`), version.payload);
  });
  writeFileSync(at('models', 'notes.txt'), 'not a model');
  await command('keys', 'generate', '-o', at('k'));
  expect((await command('publish', at('repo'), '--init', ...key)).status).toBe(0);
  for (let i = 1; i < COUNT; i++)
    expect(await publish(i, '--keep', '1', '--skip', at('models'))).toMatchObject({ status: 0 });
});

test('devices far behind need few payloads, and end with the newest model', async () => {
  for (const [i, most] of [0, 1, 2, 3, 4, 5].map((each) => [each, 3] as const)) {
    const own = at(`device-${i}`, 'm.safetensors');
    mkdirSync(at(`device-${i}`));
    copyFileSync(model(i), own);
    const repo = ['--repo', at('repo'), '--root', at('repo', 'metadata', '1.root.json')];
    const { status, stdout } = await command('update', '--model', own, ...repo, '--json', '--confirm');
    const { plan } = JSON.parse(stdout);
    expect([status, plan.counter]).toEqual([0, COUNT - 1]);
    expect(plan.files.length).toBeLessThanOrEqual(most);
    const { stdout: now } = await command('fingerprint', own);
    expect(now).toContain((await command('fingerprint', model(COUNT - 1))).stdout.split(/\s/)[0]);
  }
});

test('the list shows each release once, those of the index too', async () => {
  const { stdout } = await command('publish', at('repo'), '--list', '--json');
  const { releases } = JSON.parse(stdout) as { releases: { name: string }[] };
  const names = releases.map(({ name }) => name);
  expect(names.filter((name) => !name.startsWith('skip-')).sort()).toEqual(
    [1, 2, 3, 4, 5, 6].map((i) => `v${i}.ndiff`),
  );
  expect(new Set(names).size).toBe(names.length);
});

test('models that are missing are named, and whole models need no skips', async () => {
  const fresh = await command('publish', at('fresh'), '--init', ...key);
  expect(fresh.status).toBe(0);
  mkdirSync(at('few'));
  copyFileSync(model(0), at('few', 'v0.safetensors'));
  const into = async (i: number, ...more: string[]) => {
    const release = ['--payload', at(`v${i}.ndiff`), '--base', model(i - 1), '--counter', String(i)];
    return command('publish', at('fresh'), ...release, ...key, ...more);
  };
  await into(1);
  await into(2);
  const { status, stderr } = await into(3, '--skip', at('few'));
  expect([status, stderr]).toEqual([0, expect.not.stringContaining('no payload from')]);
  rmSync(at('few', 'v0.safetensors'));
  const last = await into(4, '--skip', at('few'));
  expect([last.status, last.stderr]).toEqual([0, expect.stringContaining('no payload from')]);
  const whole = ['--payload', model(5), '--counter', '5', '--skip', at('few')];
  const refused = await command('publish', at('fresh'), ...whole, ...key);
  expect([refused.status, refused.stderr]).toEqual([2, expect.stringContaining('--base with --skip')]);
  const before = readdirSync(at('fresh', 'metadata')).length;
  const absent = await into(5, '--skip', at('nowhere'));
  expect([absent.status, absent.stderr]).toEqual([2, expect.stringContaining('file-not-found')]);
  const none = await command('publish', at('fresh'), '--keep', '0', ...key);
  expect([none.status, none.stderr]).toEqual([2, expect.stringContaining('at least 1 release')]);
  expect(readdirSync(at('fresh', 'metadata')).length).toBe(before);
});

test('--keep alone moves releases to the index, and back', async () => {
  for (const [keep, listed] of [
    ['2', 2],
    ['100', 4],
    ['1', 1],
  ] as const) {
    expect((await command('publish', at('fresh'), '--keep', keep, ...key)).status).toBe(0);
    const names = readdirSync(at('fresh', 'metadata')).filter((name) => name.endsWith('.targets.json'));
    const newest = names.map((name) => Number.parseInt(name, 10)).sort((a, b) => b - a)[0];
    const { signed } = JSON.parse(readFileSync(at('fresh', 'metadata', `${newest}.targets.json`), 'utf8'));
    const counters = Object.values(
      signed.targets as Record<string, { custom: Record<string, { counter?: number }> }>,
    ).flatMap(({ custom }) => custom['neural-diff']?.counter ?? []);
    expect(new Set(counters).size).toBe(listed);
  }
});
