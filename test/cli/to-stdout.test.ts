import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { safetensors } from '../publish/publisher.js';
import { command, MAIN, recipe, scratch, writeModel } from './command.js';

const folder = scratch();
const at = (...names: string[]) => join(folder, ...names);
const [base, next, payload] = [at('v1.safetensors'), at('v2.safetensors'), at('v2.ndiff')];

/** Runs the program as a process. @returns its status, and what it wrote */
function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args]);
  return { status, stdout, stderr: stderr.toString() };
}

beforeAll(async () => {
  writeFileSync(base, safetensors(Array.from({ length: 100 }, (_, i) => i)));
  writeFileSync(next, safetensors(Array.from({ length: 100 }, (_, i) => i + (i % 9 === 0 ? 1 : 0))));
  expect((await command('diff', base, next, '-o', payload)).status).toBe(0);
});

test('-o - writes the payload alone to stdout, and the rest to stderr', () => {
  const before = readdirSync(tmpdir()).filter((name) => name.startsWith('neural-diff-out-'));
  const { status, stdout, stderr } = run('diff', base, next, '-o', '-');
  expect([status, stdout.equals(readFileSync(payload))]).toEqual([0, true]);
  expect(stderr).toContain('wrote stdout: ');
  expect(stderr).not.toContain(tmpdir());
  const composed = run('compose', payload, '--base', base, '-o', '-', '--quiet');
  expect(composed.stdout.subarray(0, 4)).toEqual(stdout.subarray(0, 4));
  expect(readdirSync(tmpdir()).filter((name) => name.startsWith('neural-diff-out-'))).toEqual(before);
});

test('-o - writes nothing to stdout with --dry-run, after an error, and with --json', () => {
  const dry = run('diff', base, next, '-o', '-', '--dry-run');
  expect([dry.status, dry.stdout.length]).toEqual([0, 0]);
  const failed = run('diff', base, at('none.safetensors'), '-o', '-');
  expect([failed.status, failed.stdout.length]).toEqual([2, 0]);
  const json = run('diff', base, next, '-o', '-', '--json');
  expect([json.status, JSON.parse(json.stdout.toString()).error.code]).toEqual([2, 'usage']);
});

test('-o - is for train, reverse and import-adapter, too', async () => {
  const reversed = run('reverse', payload, '--base', base, '-o', '-', '--quiet');
  expect(reversed.status).toBe(0);
  writeFileSync(at('back.ndiff'), reversed.stdout);
  expect((await command('apply', next, at('back.ndiff'), '-o', at('back.safetensors'))).status).toBe(0);
  expect(readFileSync(at('back.safetensors')).equals(readFileSync(base))).toBe(true);

  await writeModel(at('points'));
  const trained = ['train', 'hash', '--base', at('points'), '--recipe', recipe('points'), '--budget', '40%'];
  const { status, stdout } = run(...trained, '-o', '-', '--quiet');
  expect(status).toBe(0);
  expect((await command(...trained, '-o', at('trained.ndiff'))).status).toBe(0);
  expect(stdout.equals(readFileSync(at('trained.ndiff')))).toBe(true);

  const missing = run('import-adapter', at('none'), '--base', base, '-o', '-');
  expect([missing.status, missing.stdout.length]).toEqual([2, 0]);
});

test('-o - is refused on a terminal', () => {
  // `script` of util-linux runs a command on a terminal of its own.
  const line = [process.execPath, MAIN, 'diff', base, next, '-o', '-'].map((word) => `'${word}'`).join(' ');
  const { status, stdout } = spawnSync('script', ['-qec', line, '/dev/null']);
  expect([status, stdout.toString()]).toEqual([2, expect.stringContaining('terminal')]);
});
