import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FarmWorker, freePort, hasRedis, RedisServer } from '../recipe/farm/rig.js';
import { command, expectRefusal, recipe, scratch, start, writeModel } from './command.js';

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);

const FLAGS = ['tune', 'network', '--base', at('base'), '--recipe', recipe('network'), '--seed', '3'];

const tune = (...more: string[]) => command(...FLAGS, '--knowledge', at('knowledge.json'), ...more);

const endings: (() => Promise<unknown>)[] = [];

beforeAll(() => writeModel(at('base')));
afterAll(() => Promise.all(endings.map((end) => end())));

test('tune network writes a trained network within the limit, next to the base', async () => {
  const out = at('fast');
  const of = ['--mode', 'zero-shot', '--max-infer-ms', '1000', '--rule', 'depth=1', '-o', out];
  const { status, stdout } = await tune(...of, '--json');
  expect(status).toBe(0);
  const { found, mode, trials, reference, limit } = JSON.parse(stdout);
  expect([mode, trials.length, limit]).toEqual(['zero-shot', 3, 1000]);
  expect(found.configuration.depth).toBe(1);
  expect(found.metrics.accuracy).toBeGreaterThan(0.85);
  expect(reference.milliseconds).toBeGreaterThan(0);
  expect((await command('fingerprint', out)).status).toBe(0);
  await expectRefusal(tune(...of, '--json'), 'output-exists', 'exists');
});

test('tune network --dry-run lists the choices that rules leave', async () => {
  const of = ['--max-infer-share', '60%', '--rule', 'block!=double', '-o', at('dry'), '--dry-run'];
  const { status, stdout } = await tune(...of);
  expect([status, stdout]).toEqual([0, expect.stringContaining('choice  block: plain\n')]);
  expect(existsSync(at('dry'))).toBe(false);
});

test('tune network refuses what only payloads have, no limit, and recipes without a network', async () => {
  const statusOf = async (...more: string[]) => (await tune('-o', at('none'), ...more)).status;
  expect(await statusOf('--max-infer-ms', '1', '--max-gap', '1%')).toBe(2);
  expect(await statusOf()).toBe(2);
  expect(await statusOf('--max-infer-ms', '1', '--max-infer-share', '1')).toBe(2);
  const points = ['tune', 'network', '--base', at('base'), '--recipe', recipe('points'), '-o', at('none')];
  await expectRefusal(command(...points, '--max-infer-ms', '1', '--json'), 'recipe-invalid', '"network"');
  await expectRefusal(
    tune('--max-infer-ms', '0.000001', '--rule', 'depth=1', '-o', at('none'), '--json'),
    'budget-impossible',
    'the fastest of 2 networks',
  );
});

/** A search by trials, and the fingerprint of what it found. */
const SEARCH = ['--max-infer-ms', '1000', '--trials', '3', '--epochs', '4', '--keep-work'];
const fingerprintOf = async (model: string) => (await command('fingerprint', at(model))).stdout;

test('tune network goes on after Ctrl-C, and measures and trains nothing twice', async () => {
  const stopped = start([...FLAGS, ...SEARCH, '--knowledge', at('first.json'), '-o', at('kept')]);
  await new Promise((resolve) => stopped.child.stderr?.once('data', resolve));
  stopped.child.kill('SIGINT');
  const { status, stderr } = await stopped.outcome;
  expect([status, stderr]).toEqual([130, expect.stringContaining('--resume goes on')]);
  const timesOf = () => JSON.parse(readFileSync(at('kept.tune', 'times.json'), 'utf8')).times;
  const before = timesOf();
  const again = [...SEARCH, '-o', at('kept')];
  await expectRefusal(tune(...again, '--json'), 'output-exists', '--resume keeps');
  await expectRefusal(
    tune(...again, '--resume', '--trials', '4', '--epochs', '5', '--json'),
    'output-exists',
    'resume',
  );
  const { status: resumed, stdout } = await tune(...again, '--resume', '--json');
  expect([resumed, JSON.parse(stdout).reference.milliseconds]).toEqual([0, before.referenceMs]);
  expect(timesOf()).toEqual({ ...before, shares: { ...timesOf().shares, ...before.shares } });
  // A whole search once more: everything is known, and the same is found.
  const { shares } = timesOf();
  expect((await tune(...again, '--resume', '--force')).status).toBe(0);
  expect(timesOf().shares).toEqual(shares);
  expect(JSON.parse(readFileSync(at('knowledge.json'), 'utf8')).tasks).toHaveLength(1);
});

test('tune network does not go on with another recipe, also where only a module of it differs', async () => {
  const names = ['network', 'points'].map((name) => `${name}.mjs`);
  for (const name of names) copyFileSync(join(recipe('network'), '..', name), at(name));
  const args = ['--recipe', at('network.mjs'), ...SEARCH, '--mode', 'zero-shot', '-o', at('changed')];
  const run = (...more: string[]) =>
    command(
      'tune',
      'network',
      '--base',
      at('base'),
      '--seed',
      '3',
      '--knowledge',
      at('k.json'),
      ...args,
      ...more,
    );
  expect((await run()).status).toBe(0);
  writeFileSync(at('points.mjs'), `${readFileSync(at('points.mjs'), 'utf8')}// Mended.\n`);
  await expectRefusal(run('--resume', '--force', '--json'), 'output-exists', 'of another model, recipe');
  expect((await run('--force')).status).toBe(0);
  expect(readdirSync(at('changed.tune')).filter((name) => name.startsWith('networks-'))).toHaveLength(1);
});

test.skipIf(!hasRedis)('tune network --queue trains on workers what it would train here', async () => {
  const redis = new RedisServer({ folder: at('redis'), port: await freePort() });
  endings.push(() => redis.stop());
  await redis.start();
  const recipes = join(recipe('network'), '..');
  const store = ['--store', at('store')];
  const worker = new FarmWorker(redis.url, ...store, '--recipes', recipes, '--work', at('worker'));
  endings.push(() => worker.kill());
  mkdirSync(at('farm.tune'));
  copyFileSync(at('kept.tune', 'times.json'), at('farm.tune', 'times.json'));
  const farm = ['--queue', redis.url, ...store];
  const { status, stderr } = await tune(...SEARCH, '--resume', '-o', at('farm'), ...farm);
  expect([status, stderr]).toEqual([0, expect.stringContaining('wrote')]);
  expect(worker.events.filter(({ event }) => event === 'done').length).toBeGreaterThan(2);
  expect(await fingerprintOf('farm')).toBe(await fingerprintOf('kept'));
});
