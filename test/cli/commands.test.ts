import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { command, program, recipe, scratch, start, writeModel } from './command.js';

const folder = scratch();
const base = join(folder, 'base');
const payload = join(folder, 'update.ndiff');
const trainArgs = ['--base', base, '--recipe', recipe('points'), '--budget', '18%', '--seed', '3'];

beforeAll(async () => {
  await writeModel(base);
  const { status, stderr } = await command('train', 'hash', ...trainArgs, '-o', payload);
  expect(stderr).toContain('wrote');
  expect(status).toBe(0);
});

test.each(['sparse', 'hash'])(
  'train %s writes a payload, reports it as JSON, and repeats it byte for byte',
  async (kind) => {
    const [first, second] = [join(folder, `${kind}-1.ndiff`), join(folder, `${kind}-2.ndiff`)];
    const { status, stdout, stderr } = await command('train', kind, ...trainArgs, '-o', first, '--json');
    expect(status).toBe(0);
    const report = JSON.parse(stdout);
    expect(report.payloadBytes).toBe(readFileSync(first).length);
    expect(report.share).toBeLessThanOrEqual(0.18);
    expect(report.metrics.diff.accuracy).toBeGreaterThan(report.metrics.base.accuracy + 0.2);
    expect(stderr).toMatch(/fine-tune epoch 4\/4 {2}step 24\/24 {2}loss \d/);
    expect(stderr).toMatch(kind === 'hash' ? /buckets \d+/ : /density 0\.\d+/);
    expect((await program('train', kind, ...trainArgs, '-o', second, '-q')).stderr).toBe('');
    expect(readFileSync(second)).toEqual(readFileSync(first));
  },
);

test('apply patches a copy, verify and fingerprint agree, the base is left alone', async () => {
  const next = join(folder, 'next');
  const baseFingerprint = (await command('fingerprint', base)).stdout.trim();
  const fits = await command('verify', base, payload, '--json');
  expect([fits.status, JSON.parse(fits.stdout).status]).toEqual([0, 'ready']);
  const applied = await command('apply', base, payload, '-o', next, '--json');
  const { status, fingerprint } = JSON.parse(applied.stdout);
  expect([applied.status, status]).toEqual([0, 'applied']);
  expect((await command('fingerprint', next)).stdout.trim()).toBe(fingerprint);
  expect((await command('fingerprint', base, '--json')).stdout).toContain(baseFingerprint);
  expect(fingerprint).not.toBe(baseFingerprint);

  const again = await command('verify', next, payload);
  expect([again.status, again.stdout]).toEqual([0, `already current: the model is ${fingerprint}\n`]);
  const copied = await command('apply', next, payload, '-o', join(folder, 'copy'));
  expect([copied.status, copied.stdout]).toEqual([0, `already current, copied: ${fingerprint}\n`]);
});

test('apply --force replaces a folder whole and leaves nothing next to it', async () => {
  const out = join(folder, 'replaced');
  await writeModel(out, 5);
  expect((await command('apply', base, payload, '-o', out, '-f')).status).toBe(0);
  expect(JSON.parse((await command('verify', out, payload, '--json')).stdout).status).toBe('current');
  expect(readdirSync(folder).filter((name) => name.includes('.tmp'))).toEqual([]);
});

test('--dry-run writes nothing', async () => {
  const out = join(folder, 'never');
  const applied = await command('apply', base, payload, '-o', out, '--dry-run', '--json');
  expect(JSON.parse(applied.stdout)).toMatchObject({ dryRun: true, status: 'ready' });
  const trained = await command('train', 'sparse', ...trainArgs, '-o', out, '--dry-run');
  expect([applied.status, trained.status]).toEqual([0, 0]);
  expect(trained.stdout).toContain('budget  ');
  expect(existsSync(out)).toBe(false);
});

test('info prints header and ops for people and for machines', async () => {
  const { stdout } = await command('info', payload, '--base', base);
  expect(stdout).toMatch(/^payload {6}.* of the float32 model\nbase /);
  expect(stdout).toMatch(
    /op {11}hash +buckets \d+, coding levels, block 8, seed 3 {2}"hidden\/kernel" "middle\/kernel"/,
  );
  const info = JSON.parse((await command('info', payload, '--base', base, '--json')).stdout);
  expect(info).toMatchObject({ payloadBytes: readFileSync(payload).length, tensors: 6 });
  expect(info.ops.map(({ kind }: { kind: string }) => kind)).toContain('dense');
  expect(info.unchanged).toBe(0);
  expect(stdout).toMatch(/^unchanged {4}0 of 6 tensors have no op$/m);
});

test('info without a base prints what the payload says of itself', async () => {
  const { stdout } = await command('info', payload);
  expect(stdout).toMatch(
    /^payload {6}.*\nbase {9}[0-9a-f]{32}\nnext {9}[0-9a-f]{32}\nlayout {7}[0-9a-f]{8}\n/,
  );
  expect(stdout).toMatch(/record {7}hash +\d+ B/);
  const info = JSON.parse((await command('info', payload, '--json')).stdout);
  expect(info.records.map(({ kind }: { kind: string }) => kind)).toContain('hash');
  expect(info).not.toHaveProperty('ops');
});

test('train passes the options of a recipe on', async () => {
  const out = join(folder, 'options.ndiff');
  await command('train', 'hash', ...trainArgs, '--recipe', recipe('options'), '-o', out, '-q');
  const { ops } = JSON.parse((await command('info', out, '--base', base, '--json')).stdout);
  expect(ops[0]).toMatchObject({ kind: 'hash', coding: 'levels', block: 2 });
  expect(ops[1]).toMatchObject({ kind: 'dense' });
});

test('Ctrl-C stops training, says so, and leaves nothing', async () => {
  const out = join(folder, 'interrupted.ndiff');
  const { child, outcome } = start(['train', 'hash', ...trainArgs, '--recipe', recipe('endless'), '-o', out]);
  child.stderr?.once('data', () => child.kill('SIGINT'));
  const { status, stderr } = await outcome;
  expect(status).toBe(130);
  expect(stderr).toContain('interrupted; nothing was written');
  expect(readdirSync(folder).filter((name) => name.includes('interrupted'))).toEqual([]);
});

test('Ctrl-C ends a recipe that does not listen', async () => {
  const out = join(folder, 'deaf.ndiff');
  const { child, outcome } = start(['train', 'hash', ...trainArgs, '--recipe', recipe('deaf'), '-o', out]);
  child.stderr?.once('data', () => child.kill('SIGINT'));
  expect((await outcome).status).toBe(130);
});

test('apply, verify and fingerprint take the path of a model.json', async () => {
  const json = join(base, 'model.json');
  expect((await command('fingerprint', json)).stdout).toBe((await command('fingerprint', base)).stdout);
  expect((await command('verify', json, payload)).status).toBe(0);
  expect((await command('apply', json, payload, '-o', join(folder, 'from-json'))).status).toBe(0);
});

test('apply patches a copy of what a link leads to, and leaves that alone', async () => {
  symlinkSync('base', join(folder, 'current'));
  const before = (await command('fingerprint', base)).stdout;
  expect(
    (await command('apply', join(folder, 'current'), payload, '-o', join(folder, 'linked'))).status,
  ).toBe(0);
  expect((await command('fingerprint', base)).stdout).toBe(before);
  expect((await command('fingerprint', join(folder, 'linked'))).stdout).not.toBe(before);
});
