import { existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { copyModel } from '../../src/model/store.js';
import type { Model } from '../../src/model/tensor.js';
import { openModel } from '../../src/node/open-model.js';
import type { Op } from '../../src/payload/diff.js';
import { packDiff } from '../../src/payload/encode.js';
import { writeHdf5 } from '../containers/write-hdf5.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { command, scratch, writeModel } from './command.js';

const folder = scratch();
const at = (name: string): string => join(folder, name);
const payload = at('update.ndiff');
let base: Model;
let next: Model;

/** The model in two shards with their index. */
function writeShards(path: string, { tensors }: Model): void {
  mkdirSync(path);
  const halves = [tensors.slice(0, 2), tensors.slice(2)];
  const map: Record<string, string> = {};
  for (const [i, half] of halves.entries()) {
    const shard = `model-0000${i + 1}-of-00002.safetensors`;
    writeFileSync(join(path, shard), writeSafetensors({ tensors: half }));
    for (const { name } of half) map[name] = shard;
  }
  writeFileSync(join(path, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
}

beforeAll(async () => {
  await writeModel(at('layers'));
  const store = await openModel(at('layers'));
  base = await copyModel(store);
  await store.close();
  const [first] = base.tensors as [Model['tensors'][0]];
  const levels = Int16Array.of(3, -2);
  const op: Op = { kind: 'sparse', tensor: first.name, scale: 0.25, positions: Uint32Array.of(0, 7), levels };
  const packed = await packDiff(base, { ops: [op] }, {});
  next = packed.model;
  writeFileSync(payload, packed.payload);
  writeFileSync(at('model.safetensors'), writeSafetensors(base, { format: 'tf' }));
  writeShards(at('sharded'), base);
  writeFileSync(at('model.h5'), writeHdf5(base));
});

const fingerprintOf = async (name: string): Promise<string> =>
  (await command('fingerprint', at(name), '--quiet')).stdout;

test('a model has the same fingerprint in every container', async () => {
  const expected = await fingerprintOf('layers');
  expect(expected).toMatch(/^[0-9a-f]+\n$/);
  expect(await fingerprintOf('model.safetensors')).toBe(expected);
  expect(await fingerprintOf('sharded')).toBe(expected);
  expect(await fingerprintOf('model.h5')).toBe(expected);
  expect(await fingerprintOf('sharded/model.safetensors.index.json')).toBe(expected);
});

test('apply patches a copy of a safetensors file, also behind a link, and leaves the base alone', async () => {
  const before = readFileSync(at('model.safetensors'));
  symlinkSync('model.safetensors', at('current.safetensors'));
  for (const name of ['model.safetensors', 'current.safetensors']) {
    const out = `next-of-${name}`;
    expect((await command('apply', at(name), payload, '-o', at(out))).status).toBe(0);
    expect(new Uint8Array(readFileSync(at(out)))).toEqual(writeSafetensors(next, { format: 'tf' }));
  }
  expect(readFileSync(at('model.safetensors'))).toEqual(before);
});

test('apply patches a copy of a folder of shards, named by folder or index', async () => {
  const shard = 'model-00001-of-00002.safetensors';
  for (const [i, path] of ['sharded', 'sharded/model.safetensors.index.json'].entries()) {
    expect((await command('apply', at(path), payload, '-o', at(`next-${i}`))).status).toBe(0);
    const found = new Uint8Array(readFileSync(join(at(`next-${i}`), shard)));
    expect(found).toEqual(writeSafetensors({ tensors: next.tensors.slice(0, 2) }));
    expect(await fingerprintOf(`next-${i}`)).toBe(await fingerprintOf('next-of-model.safetensors'));
  }
});

test('apply opens the copy of a folder by the index that was named', async () => {
  writeShards(at('odd'), base);
  renameSync(join(at('odd'), 'model.safetensors.index.json'), join(at('odd'), 'unet.safetensors.index.json'));
  const outcome = await command(
    'apply',
    at('odd/unet.safetensors.index.json'),
    payload,
    '-o',
    at('next-odd'),
  );
  expect(outcome.status).toBe(0);
  expect(await fingerprintOf('next-odd/unet.safetensors.index.json')).toBe(await fingerprintOf('next-0'));
});

test('apply --in-place patches the model itself, once', async () => {
  const path = at('mine.safetensors');
  writeFileSync(path, writeSafetensors(base));
  const first = await command('apply', path, payload, '--in-place', '--json');
  expect([first.status, JSON.parse(first.stdout).status, JSON.parse(first.stdout).out]).toEqual([
    0,
    'applied',
    path,
  ]);
  expect(new Uint8Array(readFileSync(path))).toEqual(writeSafetensors(next));
  const second = await command('apply', path, payload, '--in-place', '--quiet');
  expect(second).toMatchObject({
    status: 0,
    stderr: '',
    stdout: expect.stringMatching(/^already current: /),
  });
  expect((await command('apply', at('sharded'), payload, '--in-place', '--dry-run')).status).toBe(0);
  expect(await fingerprintOf('sharded')).toBe(await fingerprintOf('layers'));
});

test('apply --in-place, diff and info take HDF5 files', async () => {
  const [before, after] = ['before.h5', 'after.h5'].map(at) as [string, string];
  for (const [path, model] of [
    [before, base],
    [after, next],
  ] as const)
    writeFileSync(path, writeHdf5(model));
  const exact = at('exact.ndiff');
  expect((await command('diff', before, after, '-o', exact)).status).toBe(0);
  expect((await command('apply', before, exact, '--in-place')).status).toBe(0);
  expect(readFileSync(before)).toEqual(readFileSync(after));
  expect((await command('info', before)).stdout).toContain('float32[2, 64]           "hidden/kernel"');
});

test.each([[[]], [['--in-place', '-o', at('both')]]])(
  'apply wants an output or --in-place: %j',
  async (flags) => {
    const { status, stderr } = await command('apply', at('layers'), payload, ...flags);
    expect([status, stderr]).toEqual([2, expect.stringContaining('Expected either --out or --in-place')]);
  },
);

test('apply leaves no copy of a safetensors file behind that its payload does not fit', async () => {
  const { status } = await command('apply', at('next-0'), at('sharded'), '-o', at('refused'));
  expect(status).not.toBe(0);
  writeFileSync(at('other.safetensors'), writeSafetensors({ tensors: base.tensors.slice(1) }));
  const refused = await command('apply', at('other.safetensors'), payload, '-o', at('refused'), '--json');
  expect([refused.status, JSON.parse(refused.stdout).error.code]).toEqual([3, 'wrong-layout']);
  expect(existsSync(at('refused'))).toBe(false);
});

test('info lists the tensors of a model', async () => {
  const text = (await command('info', at('model.safetensors'))).stdout;
  expect(text).toMatch(/^model +9\.5 kB: 6 tensors, 2371 weights\nfingerprint +[0-9a-f]{32}\n/);
  expect(text).toContain('tensor       float32[2, 64]           "hidden/kernel"');
  const json = JSON.parse((await command('info', at('sharded'), '--json')).stdout);
  expect(`${json.fingerprint}\n`).toBe(await fingerprintOf('sharded'));
  expect(json.tensors).toContainEqual({
    name: 'hidden/kernel',
    dtype: 'float32',
    shape: [2, 64],
    bytes: 512,
  });
});

test('info of a file that is neither payload nor model says so', async () => {
  writeFileSync(at('prose.txt'), 'neither of them');
  const { status, stdout } = await command('info', at('prose.txt'), '--json');
  expect([status, JSON.parse(stdout).error.code]).toEqual([6, 'not-a-payload']);
  const missing = await command('info', at('nowhere'), '--json');
  expect([missing.status, JSON.parse(missing.stdout).error.code]).toEqual([2, 'file-not-found']);
});

test('a file that holds no model is refused', async () => {
  writeFileSync(at('notes.txt'), 'weights: heavy');
  const { status, stdout } = await command('fingerprint', at('notes.txt'), '--json');
  expect([status, JSON.parse(stdout).error.code]).toEqual([2, 'bad-model']);
  expect(JSON.parse(stdout).error.message).toContain('expected safetensors');
});
