import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { command, expectRefusal, scratch } from './command.js';

const folder = scratch();
const at = (name: string): string => join(folder, name);

beforeAll(() => {
  for (const name of ['model.npz', 'next.npz', 'compressed.npz'])
    copyFileSync(join(import.meta.dirname, '..', 'containers', 'files', name), at(name));
});

test('fingerprint and info read a compressed archive', async () => {
  const [compressed, plain] = [
    await command('fingerprint', at('compressed.npz'), '--quiet'),
    await command('fingerprint', at('model.npz'), '--quiet'),
  ];
  expect([compressed.status, compressed.stdout]).toEqual([0, plain.stdout]);
  const { stdout } = await command('info', at('compressed.npz'));
  expect(stdout).toContain('tensor       float32[3, 4]            "kernel"  read only\n');
});

test('diff takes a compressed base; its payload is for the same weights uncompressed', async () => {
  const made = await command('diff', at('compressed.npz'), at('next.npz'), '-o', at('update.ndiff'));
  expect(made.status).toBe(0);
  const before = readFileSync(at('compressed.npz'));
  for (const flags of [['--in-place'], ['-o', at('out.npz')]]) {
    const outcome = command('apply', at('compressed.npz'), at('update.ndiff'), ...flags, '--json');
    await expectRefusal(outcome, 'unsupported-model', '"kernel"');
  }
  expect([existsSync(at('out.npz')), readFileSync(at('compressed.npz'))]).toEqual([false, before]);
  const applied = await command('apply', at('model.npz'), at('update.ndiff'), '-o', at('out.npz'));
  expect([applied.status, readFileSync(at('out.npz'))]).toEqual([0, readFileSync(at('next.npz'))]);
});
