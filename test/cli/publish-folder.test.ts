import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { externalData, field, onnxModel, tensorProto } from '../containers/write-onnx.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { sampleModel, seededTensor } from '../support.js';
import { command, expectRefusal, scratch, writeModel } from './command.js';
import { writeGraphFolder } from './networks.js';
import { quantise } from './quantise.js';

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);
const key = ['--key', at('one.key.json')];

beforeAll(async () => {
  await writeModel(at('v1'), 1);
  await writeModel(at('v2'), 2);
  expect((await command('keys', 'generate', '-o', at('one'))).status).toBe(0);
});

async function fingerprintOf(path: string): Promise<string> {
  const { status, stdout } = await command('fingerprint', path);
  expect(status).toBe(0);
  return stdout.trim();
}

const publish = (name: string, ...args: string[]) => command('publish', at(name), ...key, ...args, '--json');

/** Creates a repository. @returns flags of a device that follows it */
async function createRepository(name: string): Promise<string[]> {
  expect((await publish(name, '--init')).status).toBe(0);
  return ['--repo', at(name), '--root', at(name, 'metadata', '1.root.json')];
}

/** Writes a copy of a model folder in which one byte of a shard is another. */
function changed(from: string, to: string): string {
  cpSync(at(from), at(to), { recursive: true });
  const shard = readdirSync(at(to)).find((name) => name.endsWith('.bin')) as string;
  const bytes = readFileSync(at(to, shard));
  writeFileSync(
    at(to, shard),
    bytes.map((byte, i) => (i === 7 ? byte ^ 1 : byte)),
  );
  return at(to);
}

test('publish releases a folder as one file, which pull installs and update takes on', async () => {
  const device = await createRepository('releases');
  const dry = await publish('releases', '--payload', at('v1'), '--counter', '1', '--dry-run');
  expect(JSON.parse(dry.stdout)).toMatchObject({ dryRun: true, release: { name: 'v1.safetensors' } });
  const { stdout } = await publish('releases', '--payload', at('v1'), '--counter', '1');
  const next = await fingerprintOf(at('v1'));
  expect(JSON.parse(stdout).release).toMatchObject({ kind: 'full', name: 'v1.safetensors', next });

  const installed = at('device', 'v1.safetensors');
  expect((await command('pull', ...device, '-o', at('device'))).stdout).toBe(`pulled: ${next}\n`);
  expect(await fingerprintOf(installed)).toBe(next);

  expect((await command('diff', at('v1'), changed('v1', 'v1b'), '-o', at('v1b.ndiff'))).status).toBe(0);
  const update = ['--payload', at('v1b.ndiff'), '--base', at('v1'), '--counter', '2'];
  expect((await publish('releases', ...update)).status).toBe(0);
  const updated = await command('update', '--model', installed, ...device, '--confirm');
  expect(updated.stdout).toBe(`updated: ${await fingerprintOf(at('v1b'))}\n`);
});

test.each(['float32', 'uint8', 'a GraphModel'] as const)(
  'a device keeps its folder, of %s, when it takes a whole model',
  async (dtype) => {
    const [base, next] = { float32: ['v1', 'next'], uint8: ['base8', 'next8'], 'a GraphModel': ['g1', 'g2'] }[
      dtype
    ] as [string, string];
    if (dtype === 'uint8') quantise(at('v1'), at(base), dtype);
    if (dtype === 'a GraphModel') writeGraphFolder(at(base));
    changed(base, next);
    const device = await createRepository(`of-${base}`);
    await publish(`of-${base}`, '--payload', at(next, 'model.json'), '--counter', '1', '--name', 'n.st');
    cpSync(at(base), at('own', base), { recursive: true });
    const model = at('own', base);
    const updated = await command('update', '--model', model, ...device, '--confirm');
    expect([updated.stdout, updated.stderr]).toEqual([
      `updated: ${await fingerprintOf(at(next))}\n`,
      expect.stringContaining('whole model'),
    ]);
    for (const name of readdirSync(at(next)))
      expect(readFileSync(join(model, name)).equals(readFileSync(at(next, name)))).toBe(true);
  },
);

test('a folder of other scales is refused by a device, which keeps its model', async () => {
  quantise(at('v2'), at('other8'), 'uint8');
  quantise(at('v1'), at('kept8'), 'uint8');
  const device = await createRepository('scales');
  await publish('scales', '--payload', at('other8'), '--counter', '1');
  const before = await fingerprintOf(at('kept8'));
  await expectRefusal(
    command('update', '--model', at('kept8'), ...device, '--json'),
    'unsupported-model',
    'its container cannot change it in place',
  );
  expect(await fingerprintOf(at('kept8'))).toBe(before);
});

test('publish packs shards with an index, and takes the only file of a folder as it is', async () => {
  await createRepository('shards');
  const { tensors } = sampleModel();
  mkdirSync(at('sharded'));
  const halves = [tensors.slice(0, 4), tensors.slice(4)];
  const map = halves.flatMap((half, i) => half.map(({ name }) => [name, `${i}.safetensors`]));
  for (const [i, half] of halves.entries())
    writeFileSync(at('sharded', `${i}.safetensors`), writeSafetensors({ tensors: half }));
  const index = JSON.stringify({ weight_map: Object.fromEntries(map) });
  writeFileSync(at('sharded', 'model.safetensors.index.json'), index);
  const packed = await publish('shards', '--payload', `${at('sharded')}/`, '--counter', '1');
  const next = await fingerprintOf(at('sharded'));
  expect(JSON.parse(packed.stdout).release).toMatchObject({ name: 'sharded.safetensors', next });

  mkdirSync(at('single'));
  const bytes = writeSafetensors(sampleModel(9), { made: 'elsewhere' });
  writeFileSync(at('single', 'model.safetensors'), bytes);
  const single = await publish('shards', '--payload', at('single'), '--counter', '2');
  expect(JSON.parse(single.stdout).release).toMatchObject({
    name: 'single.safetensors',
    bytes: bytes.length,
  });
});

test('publish packs an ONNX file with external data, given as its folder', async () => {
  await createRepository('external');
  const tensor = seededTensor('kernel', 'float32', [3, 4]);
  const main = onnxModel(field(5, tensorProto(tensor, externalData('kernel.bin'))));
  mkdirSync(at('onnx'));
  writeFileSync(at('onnx', 'model.onnx'), main);
  writeFileSync(at('onnx', 'kernel.bin'), tensor.bytes);
  const { stdout } = await publish('external', '--payload', at('onnx'), '--counter', '1');
  const next = await fingerprintOf(at('onnx'));
  expect(JSON.parse(stdout).release).toMatchObject({ kind: 'full', name: 'onnx.safetensors', next });
});

test('publish refuses a folder that is no model or comes with a base; sign takes files alone', async () => {
  await createRepository('refusals');
  mkdirSync(at('empty'));
  const counter = ['--counter', '1'];
  const of = (path: string, ...more: string[]) => publish('refusals', '--payload', path, ...counter, ...more);
  await expectRefusal(of(at('empty')), 'file-not-found', 'expected a folder with one of');
  await expectRefusal(of(at('v1'), '--base', at('v2')), 'file-unreadable', 'got a folder');
  const next = ['--next', 'f'.repeat(32)];
  expect(JSON.parse((await of(at('v1'), ...next)).stdout).error.code).toBe('result-mismatch');
  mkdirSync(at('named'));
  writeFileSync(
    at('named', 'model.safetensors.index.json'),
    JSON.stringify({ weight_map: { a: 'a.safetensors' } }),
  );
  await expectRefusal(of(at('named')), 'file-not-found', 'a.safetensors');
  await expectRefusal(
    command('sign', at('v1'), ...key, ...counter, '--json'),
    'file-unreadable',
    'got a folder',
  );
});
