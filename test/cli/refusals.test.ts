import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { command, recipe, scratch, writeModel } from './command.js';

const folder = scratch();
const at = (name: string): string => join(folder, name);
const base = at('base');
const payload = at('update.ndiff');
const train = (out: string, ...more: string[]) => [
  'train',
  'hash',
  '--base',
  base,
  '--recipe',
  recipe('points'),
  '--budget',
  '18%',
  '-o',
  at(out),
  ...more,
];

type Manifest = { weightsManifest: { weights: { name: string; dtype: string; shape: number[] }[] }[] };

/** Makes a variant of the base with a changed manifest. */
function variant(name: string, change: (weights: Manifest['weightsManifest'][0]['weights']) => void): string {
  cpSync(base, at(name), { recursive: true });
  const path = join(at(name), 'model.json');
  const json: Manifest = JSON.parse(readFileSync(path, 'utf8'));
  change((json.weightsManifest[0] as Manifest['weightsManifest'][0]).weights);
  writeFileSync(path, JSON.stringify(json));
  return at(name);
}

/** Makes a variant of the payload. */
function mangled(name: string, change: (bytes: Buffer) => Buffer): string {
  writeFileSync(at(name), change(readFileSync(payload)));
  return at(name);
}

/** Runs a command that must be refused: with its code on stdout, its status, and the base as it was. */
async function expectRefusal(args: readonly string[], code: string, status: number): Promise<void> {
  const before = readFileSync(join(base, 'group1-shard1of10.bin'));
  const outcome = await command(...args, '--json');
  expect(JSON.parse(outcome.stdout).error.code).toBe(code);
  expect(outcome.status).toBe(status);
  expect(outcome.stderr).toMatch(/^neural-diff: /m);
  expect(readFileSync(join(base, 'group1-shard1of10.bin'))).toEqual(before);
  expect(existsSync(at('out'))).toBe(false);
}

beforeAll(async () => {
  await writeModel(base);
  expect((await command(...train('update.ndiff'))).status).toBe(0);
});

test('apply refuses another base', async () => {
  await writeModel(at('other'), 9);
  await expectRefusal(['apply', at('other'), payload, '-o', at('out')], 'wrong-base', 3);
  await expectRefusal(['verify', at('other'), payload], 'wrong-base', 3);
});

test('apply refuses a renamed, a missing and an extra tensor', async () => {
  const renamed = variant('renamed', ([first]) => {
    if (first) first.name = 'hidden/kernels';
  });
  await expectRefusal(['apply', renamed, payload, '-o', at('out')], 'wrong-layout', 3);
  const missing = variant('missing', (weights) => weights.pop());
  const shards = (path: string) => join(path, 'group1-shard10of10.bin');
  writeFileSync(shards(missing), readFileSync(shards(missing)).subarray(0, -12));
  await expectRefusal(['apply', missing, payload, '-o', at('out')], 'wrong-layout', 3);
  const extra = variant('extra', (weights) => weights.push({ name: 'more', dtype: 'float32', shape: [1] }));
  writeFileSync(shards(extra), Buffer.concat([readFileSync(shards(extra)), Buffer.alloc(4)]));
  await expectRefusal(['apply', extra, payload, '-o', at('out')], 'wrong-layout', 3);
});

test('apply refuses another dtype and another shape', async () => {
  const dtype = variant('dtype', ([first]) => {
    if (first) first.dtype = 'int32';
  });
  await expectRefusal(['apply', dtype, payload, '-o', at('out')], 'wrong-layout', 3);
  const shape = variant('shape', ([first]) => first?.shape.reverse());
  await expectRefusal(['apply', shape, payload, '-o', at('out')], 'wrong-layout', 3);
});

test('apply and info refuse truncated, flipped and foreign payloads', async () => {
  const cut = mangled('cut.ndiff', (bytes) => bytes.subarray(0, -100));
  await expectRefusal(['apply', base, cut, '-o', at('out')], 'corrupt-payload', 6);
  const flipped = mangled('flipped.ndiff', (bytes) => {
    const middle = bytes.length >> 1;
    bytes[middle] = (bytes[middle] as number) ^ 1;
    return bytes;
  });
  await expectRefusal(['apply', base, flipped, '-o', at('out')], 'corrupt-payload', 6);
  await expectRefusal(['info', flipped], 'corrupt-payload', 6);
  await expectRefusal(['apply', base, join(base, 'model.json'), '-o', at('out')], 'not-a-payload', 6);
  const newer = mangled('newer.ndiff', (bytes) => {
    bytes[6] = '7'.charCodeAt(0);
    return bytes;
  });
  await expectRefusal(['info', newer], 'unsupported-version', 6);
});

test('commands refuse files and folders that are not there or are not models', async () => {
  await expectRefusal(['apply', at('nowhere'), payload, '-o', at('out')], 'file-not-found', 2);
  await expectRefusal(['apply', base, at('nowhere'), '-o', at('out')], 'file-not-found', 2);
  await expectRefusal(['apply', base, payload, '-o', join(at('nowhere'), 'out')], 'file-not-found', 2);
  await expectRefusal(['fingerprint', payload], 'bad-model', 2);
  await expectRefusal(['fingerprint', folder], 'file-not-found', 2);
});

test('apply and train refuse an output that exists, unless forced', async () => {
  await expectRefusal(['apply', base, payload, '-o', base], 'output-exists', 2);
  await expectRefusal(train('update.ndiff'), 'output-exists', 2);
});

test('train refuses budgets that cannot be met or understood', async () => {
  await expectRefusal(train('out', '--budget', '40'), 'budget-impossible', 2);
  await expectRefusal(train('out', '--budget', 'plenty'), 'usage', 2);
  await expectRefusal(train('out', '--budget', '1B', '--dry-run'), 'budget-impossible', 2);
  await expectRefusal(train('out', '--seed', '1.5', '--dry-run'), 'usage', 2);
});

test('train refuses recipes that cannot be read, lack an export, or throw', async () => {
  writeFileSync(at('broken.mjs'), 'export const data = {{');
  await expectRefusal(train('out', '--recipe', at('broken.mjs')), 'recipe-unreadable', 2);
  await expectRefusal(train('out', '--recipe', at('nowhere.mjs')), 'recipe-unreadable', 2);
  await expectRefusal(train('out', '--recipe', recipe('no-data')), 'recipe-invalid', 2);
  await expectRefusal(train('out', '--recipe', recipe('no-loss')), 'recipe-invalid', 2);
  await expectRefusal(train('out', '--recipe', recipe('no-train')), 'recipe-invalid', 2);
  await expectRefusal(train('out', '--recipe', recipe('misspelt')), 'recipe-invalid', 2);
  await expectRefusal(train('out', '--recipe', recipe('misspelt-inside')), 'recipe-invalid', 2);
  await expectRefusal(train('out', '--recipe', recipe('throws')), 'recipe-failed', 2);
  await expectRefusal(train('out', '--recipe', recipe('optimizer-throws')), 'recipe-failed', 2);
  await expectRefusal(train('out', '--recipe', recipe('loss-throws')), 'recipe-failed', 2);
  await expectRefusal(train('out', '--recipe', recipe('wrong-shape')), 'bad-data', 2);
});

test.each([[], ['aply'], ['train', 'magic'], ['apply', 'only-base'], ['info', 'x', '--no-such-flag']])(
  'a command line of [%s %s] is a usage error',
  async (...args) => {
    const { status, stderr } = await command(...args.filter((arg) => arg !== undefined));
    expect(status).toBe(2);
    expect(stderr).toContain('--help');
  },
);
