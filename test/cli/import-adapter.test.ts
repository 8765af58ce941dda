import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { CONFIG, normal, peftPair } from '../exact-diff/adapter/sample-adapter.js';
import { command, expectRefusal, program, scratch } from './command.js';

const folder = scratch();
const at = (name: string): string => join(folder, name);

const base = {
  tensors: [
    normal('layer.weight', 'bfloat16', { shape: [48, 80], seed: 1 }),
    normal('layer.bias', 'bfloat16', { shape: [48], seed: 2 }),
  ],
};
const pair = peftPair('layer', { rank: 4, inputs: [80], outputs: 48 }, { dtype: 'bfloat16' });

beforeAll(() => {
  writeFileSync(at('base.safetensors'), writeSafetensors(base));
  mkdirSync(at('adapter'));
  writeFileSync(at('adapter/adapter_model.safetensors'), writeSafetensors({ tensors: pair }));
  writeFileSync(at('adapter/adapter_config.json'), JSON.stringify(CONFIG));
  writeFileSync(at('alone.safetensors'), writeSafetensors({ tensors: pair }));
  writeFileSync(at('config.json'), JSON.stringify({ ...CONFIG, lora_alpha: 4 }));
  writeFileSync(at('dora.json'), JSON.stringify({ ...CONFIG, use_dora: true }));
  writeFileSync(at('broken.json'), '{"lora_alpha":');
});

const importAs = (out: string, ...more: string[]) =>
  command('import-adapter', at('adapter'), '--base', at('base.safetensors'), '-o', at(out), ...more);

test('import-adapter, apply and reverse merge an adapter into a file and take it out again, bit for bit', async () => {
  const words = ['import-adapter', at('adapter'), '--base', at('base.safetensors'), '-o', at('de.ndiff')];
  const made = await program(...words);
  expect(made).toMatchObject({ status: 0 });
  expect(made.stdout).toMatch(/^payload {4}\d+ bytes, .* of the model$/m);
  expect(made.stdout).toMatch(/^changed {4}1 tensor by products of rank 4 at most$/m);
  expect(made.stderr).toContain('wrote');
  const back = ['reverse', at('de.ndiff'), '--base', at('base.safetensors'), '-o', at('out.ndiff')];
  expect((await command(...back)).status).toBe(0);
  writeFileSync(at('live.safetensors'), writeSafetensors(base));
  expect((await command('apply', at('live.safetensors'), at('de.ndiff'), '--in-place')).status).toBe(0);
  expect(readFileSync(at('live.safetensors')).equals(readFileSync(at('base.safetensors')))).toBe(false);
  expect((await command('apply', at('live.safetensors'), at('out.ndiff'), '--in-place')).status).toBe(0);
  expect(readFileSync(at('live.safetensors')).equals(readFileSync(at('base.safetensors')))).toBe(true);
});

test('import-adapter --json has sizes, errors by tensor and fingerprints; --dry-run writes nothing', async () => {
  const { status, stdout } = await importAs('dry.ndiff', '--json', '--dry-run', '--bits', '8');
  expect(status).toBe(0);
  expect(existsSync(at('dry.ndiff'))).toBe(false);
  expect(JSON.parse(stdout)).toMatchObject({
    dryRun: true,
    payloadBytes: expect.any(Number),
    adapterBytes: 2 * 4 * (80 + 48),
    modelBytes: 2 * (48 * 80 + 48),
    base: expect.stringMatching(/^[0-9a-f]{32}$/),
    next: expect.stringMatching(/^[0-9a-f]{32}$/),
    tensors: [{ tensor: 'layer.weight', rank: 4, error: expect.any(Number), rounding: expect.any(Number) }],
    replaced: [],
  });
});

test('import-adapter takes the configuration that it is given, and info shows the ops', async () => {
  const words = [at('alone.safetensors'), '--base', at('base.safetensors'), '--config', at('config.json')];
  expect((await command('import-adapter', ...words, '-o', at('half.ndiff'))).status).toBe(0);
  const info = await command('info', at('half.ndiff'), '--base', at('base.safetensors'), '--json');
  expect(JSON.parse(info.stdout)).toMatchObject({
    records: [{ kind: 'low-rank' }],
    ops: [{ kind: 'low-rank', tensors: ['layer.weight'], rank: 4 }],
  });
});

test.each<[string, string[], number, string]>([
  ['without a configuration', ['alone.safetensors', 'base.safetensors'], 2, 'adapter_config.json'],
  ['with DoRA', ['adapter', 'base.safetensors', 'dora.json'], 2, 'DoRA'],
  [
    'with a configuration that is no JSON',
    ['adapter', 'base.safetensors', 'broken.json'],
    2,
    'expected JSON',
  ],
  ['with a configuration that does not exist', ['adapter', 'base.safetensors', 'none.json'], 2, 'none.json'],
  ['for another base', ['adapter', 'alone.safetensors'], 3, '"layer": no tensor'],
])('import-adapter refuses an adapter %s', async (_, [adapter, model, config], status, text) => {
  const more = config === undefined ? [] : ['--config', at(config)];
  const words = [at(adapter as string), '--base', at(model as string), '-o', at('never.ndiff'), ...more];
  const outcome = await command('import-adapter', ...words);
  expect(outcome.status).toBe(status);
  expect(outcome.stderr).toContain(text);
  expect(existsSync(at('never.ndiff'))).toBe(false);
});

test('import-adapter keeps an output that exists', async () => {
  writeFileSync(at('kept.ndiff'), 'kept');
  await expectRefusal(importAs('kept.ndiff', '--json'), 'output-exists', 'kept.ndiff');
  expect(readFileSync(at('kept.ndiff'), 'utf8')).toBe('kept');
});
