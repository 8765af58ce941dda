import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { command, expectRefusal, recipe, scratch, writeModel } from './command.js';

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);

const tune = (...more: string[]) =>
  command('tune', 'network', '--base', at('base'), '--recipe', recipe('network'), '--seed', '3', ...more);

beforeAll(() => writeModel(at('base')));

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
