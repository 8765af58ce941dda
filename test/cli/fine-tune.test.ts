import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { command, expectRefusal, recipe, scratch, start, writeModel } from './command.js';

const folder = scratch();
const base = join(folder, 'base');
const training = ['--base', base, '--recipe', recipe('points'), '--seed', '3'];

beforeAll(() => writeModel(base));

test('fine-tune writes the model that train measures as the full fine-tune, and repeats it byte for byte', async () => {
  const [out, again] = [join(folder, 'full'), join(folder, 'again')];
  const { status, stdout, stderr } = await command('fine-tune', ...training, '-o', out, '--json');
  expect([status, stderr]).toEqual([0, expect.stringContaining('wrote')]);
  const { next, metrics } = JSON.parse(stdout);
  expect((await command('fingerprint', out)).stdout.trim()).toBe(next);
  const payload = join(folder, 'update.ndiff');
  const trained = await command('train', 'hash', ...training, '--budget', '18%', '-o', payload, '--json');
  expect(JSON.parse(trained.stdout).metrics.full).toEqual(metrics);
  expect((await command('fine-tune', ...training, '-o', again, '-q')).stderr).toBe('');
  expect(readdirSync(again)).toEqual(readdirSync(out));
  for (const name of readdirSync(out))
    expect(readFileSync(join(again, name))).toEqual(readFileSync(join(out, name)));

  // From what a payload made of the base, the next one begins.
  const chained = await command(
    'fine-tune',
    ...training,
    '--chain',
    payload,
    '-o',
    join(folder, 'later'),
    '--json',
  );
  expect(JSON.parse(chained.stdout).base).toBe(JSON.parse(trained.stdout).next);
  expect(JSON.parse(chained.stdout).next).not.toBe(next);
});

test('fine-tune refuses outputs that exist before it trains; --dry-run writes nothing; Ctrl-C leaves nothing', async () => {
  await expectRefusal(
    command('fine-tune', ...training, '-o', base, '--json'),
    'output-exists',
    'exists already',
  );
  const out = join(folder, 'never');
  const planned = await command('fine-tune', ...training, '-o', out, '--dry-run');
  expect([planned.status, planned.stdout]).toEqual([
    0,
    expect.stringContaining('trains  6 tensors, 2371 of 2371 weights'),
  ]);
  const { child, outcome } = start(['fine-tune', ...training, '--recipe', recipe('endless'), '-o', out]);
  child.stderr?.once('data', () => child.kill('SIGINT'));
  expect((await outcome).status).toBe(130);
  expect(existsSync(out)).toBe(false);
});

test('train and sweep start with a full fine-tune that fine-tune wrote', async () => {
  const full = join(folder, 'longer');
  const longer = ['--epochs', '20', '--learning-rate', '0.01'];
  const written = JSON.parse(
    (await command('fine-tune', ...training, ...longer, '-o', full, '--json')).stdout,
  );
  expect(written.metrics).not.toEqual(
    JSON.parse((await command('fine-tune', ...training, '-o', `${full}-2`, '--json')).stdout).metrics,
  );
  for (const kind of ['hash', 'sparse']) {
    const out = ['--budget', '18%', '-o', join(folder, `${kind}-full.ndiff`)];
    const { stdout, stderr } = await command('train', kind, ...training, '--full', full, ...out, '--json');
    const { metrics } = JSON.parse(stdout);
    expect([metrics.full, metrics.diff.accuracy > metrics.base.accuracy]).toEqual([written.metrics, true]);
    if (kind === 'hash') expect(stderr).not.toContain('fine-tune');
  }
  const swept = join(folder, 'swept');
  const grid = [
    '--base',
    base,
    '--recipe',
    recipe('points'),
    '--seeds',
    '3',
    '--kinds',
    'hash',
    '--budgets',
    '18%',
  ];
  expect((await command('sweep', ...grid, '--full', full, '-o', swept)).status).toBe(0);
  expect(readFileSync(join(swept, 'hash-18pct-seed3.ndiff'))).toEqual(
    readFileSync(join(folder, 'hash-full.ndiff')),
  );
  const resumed = command('sweep', ...grid, '--full', base, '--resume', '-o', swept, '--json');
  await expectRefusal(resumed, 'output-exists', 'it was made with full');
});

test('train refuses a full fine-tune with other tensors', async () => {
  const other = join(folder, 'other');
  await writeModel(other, 1, 48);
  const out = ['--budget', '18%', '-o', join(folder, 'x.ndiff'), '--json'];
  const { status, stdout } = await command('train', 'hash', ...training, '--full', other, ...out);
  const { code, message } = JSON.parse(stdout).error;
  expect([status, code, message]).toEqual([
    3,
    'wrong-layout',
    expect.stringContaining('as the full fine-tune: expected tensor'),
  ]);
});
