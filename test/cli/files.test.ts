import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { Model } from '../../src/model/tensor.js';
import { writeOnnx } from '../containers/write-onnx.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { concat, seededBytes, seededTensor } from '../support.js';
import { command, expectRefusal, scratch } from './command.js';

const folder = scratch();
const at = (name: string): string => join(folder, name);
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(at(name)));

const kernel = seededTensor('kernel', 'float32', [40, 50], 1);
const bias = seededTensor('bias', 'float32', [50], 2);
const base: Model = { tensors: [kernel, bias] };
const next: Model = { tensors: [kernel, bias, seededTensor('scale', 'float32', [3], 3)] };

/** Writes a LayersModel folder with a vocabulary and a notice. */
function writeFolder(name: string, { tensors }: Model, words: string): void {
  const weights = tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  mkdirSync(at(name));
  const manifest = { modelTopology: {}, weightsManifest: [{ paths: ['all.bin'], weights }] };
  writeFileSync(at(`${name}/model.json`), JSON.stringify(manifest));
  writeFileSync(at(`${name}/all.bin`), concat(...tensors.map(({ bytes }) => bytes)));
  writeFileSync(at(`${name}/vocab.txt`), words);
  writeFileSync(at(`${name}/NOTICE`), 'the same');
}

beforeAll(async () => {
  writeFileSync(at('base.onnx'), writeOnnx(base));
  writeFileSync(at('next.onnx'), writeOnnx(next));
  writeFileSync(at('base.safetensors'), writeSafetensors(base));
  writeFileSync(
    at('other.onnx'),
    writeOnnx({ tensors: [{ ...kernel, bytes: bias.bytes, shape: [50] }, bias] }),
  );
  writeFolder('v1', base, 'a b c');
  writeFolder('v2', next, 'a b c d');
  await command('diff', at('base.onnx'), at('next.onnx'), '-o', at('onnx.ndiff'));
});

test('diff of models with other tensors makes a payload of files, and apply makes these', async () => {
  const run = await command('diff', at('base.onnx'), at('next.onnx'), '-o', at('d.ndiff'), '--json');
  expect([run.status, run.stderr]).toEqual([0, expect.stringContaining('the payload makes whole files')]);
  const report = JSON.parse(run.stdout);
  expect(report.files).toMatchObject({
    kept: { tensors: 2 },
    coded: { tensors: 0 },
    new: { tensors: 1, bytes: 12 },
  });
  expect(report.payloadBytes).toBe(read('d.ndiff').length);
  expect(report.payloadBytes).toBeLessThan(300);
  const apply = await command('apply', at('base.onnx'), at('d.ndiff'), '-o', at('made.onnx'), '--json');
  expect(JSON.parse(apply.stdout)).toMatchObject({ status: 'applied', fingerprint: report.next });
  expect(read('made.onnx')).toEqual(read('next.onnx'));
});

test('apply --dry-run tells what is made, and writes nothing', async () => {
  const run = await command('apply', at('base.onnx'), at('onnx.ndiff'), '-o', at('dry.onnx'), '--dry-run');
  expect([run.status, run.stdout]).toEqual([0, expect.stringContaining('makes next.onnx: 8.')]);
  expect(existsSync(at('dry.onnx'))).toBe(false);
});

test('apply refuses to patch in place, another model, and the weights in another file', async () => {
  const before = read('base.onnx');
  await expectRefusal(
    command('apply', at('base.onnx'), at('onnx.ndiff'), '--in-place', '--json'),
    'needs-copy',
    'write a copy (apply --out)',
  );
  expect(read('base.onnx')).toEqual(before);
  const into = (name: string) => command('apply', at(name), at('onnx.ndiff'), '-o', at('no.onnx'), '--json');
  expect([(await into('other.onnx')).status, (await into('base.safetensors')).status]).toEqual([3, 3]);
  expect(existsSync(at('no.onnx'))).toBe(false);
  await expectRefusal(
    command('apply', at('base.onnx'), at('onnx.ndiff'), '-o', at('next.onnx'), '--json'),
    'output-exists',
    'exists already',
  );
});

test('apply copies a model that is the next one already', async () => {
  writeFileSync(
    at('tuned.onnx'),
    writeOnnx({ tensors: [{ ...kernel, bytes: seededBytes(9, 8_000) }, bias] }),
  );
  await command('diff', at('base.onnx'), at('tuned.onnx'), '--files', '-o', at('tuned.ndiff'));
  const again = await command('apply', at('tuned.onnx'), at('tuned.ndiff'), '-o', at('copy.onnx'));
  expect([again.status, again.stdout]).toEqual([0, expect.stringContaining('already current, copied')]);
  expect(read('copy.onnx')).toEqual(read('tuned.onnx'));
});

test('folders come with the files that changed, and keep those that did not', async () => {
  const run = await command('diff', at('v1'), at('v2'), '-o', at('folder.ndiff'), '--json');
  const { files } = JSON.parse(run.stdout);
  expect(files.made.map(({ path }: { path: string }) => path)).toEqual([
    'model.json',
    'all.bin',
    'vocab.txt',
  ]);
  expect((await command('apply', at('v1'), at('folder.ndiff'), '-o', at('made'))).status).toBe(0);
  for (const name of ['model.json', 'all.bin', 'vocab.txt', 'NOTICE'])
    expect(read(`made/${name}`)).toEqual(read(`v2/${name}`));
});

test('diff --files carries the graph of models with the same tensors', async () => {
  const extra = concat(writeOnnx(base), [0x32, 3, 0x61, 0x62, 0x63]);
  writeFileSync(at('documented.onnx'), extra);
  const run = await command('diff', at('base.onnx'), at('documented.onnx'), '--files', '-o', at('g.ndiff'));
  expect(run.status).toBe(0);
  expect((await command('apply', at('base.onnx'), at('g.ndiff'), '-o', at('graph.onnx'))).status).toBe(0);
  expect(read('graph.onnx')).toEqual(extra);
  const lossy = ['diff', at('base.onnx'), at('next.onnx'), '--files', '--lossy', '5%', '-o', at('l.ndiff')];
  await expectRefusal(command(...lossy, '--json'), 'usage', 'lossy diffs change weights only');
});

test('diff and apply take files in no known format', async () => {
  writeFileSync(at('a.bin'), seededBytes(1, 3_000));
  writeFileSync(at('b.bin'), concat(seededBytes(2, 20), seededBytes(1, 3_000)));
  const run = await command('diff', at('a.bin'), at('b.bin'), '-o', at('bin.ndiff'));
  expect([run.status, run.stderr]).toEqual([0, expect.stringContaining('"a.bin" is compared as bytes')]);
  expect(run.stdout).toContain('ship the diff');
  expect((await command('apply', at('a.bin'), at('bin.ndiff'), '-o', at('made.bin'))).status).toBe(0);
  expect(read('made.bin')).toEqual(read('b.bin'));
});

test('info lists the files that a payload makes and, with its base, what of them is kept, coded and new', async () => {
  const alone = await command('info', at('onnx.ndiff'), '--json');
  expect(JSON.parse(alone.stdout).files.made).toMatchObject([
    { path: 'next.onnx', bytes: read('next.onnx').length },
  ]);
  const { stdout } = await command('info', at('onnx.ndiff'), '--base', at('base.onnx'));
  expect(stdout).toMatch(/^file {9}next\.onnx: \d+ bytes, sha256 [0-9a-f]{64}$/m);
  expect(stdout).toMatch(/^structure {4}\d+ B outside of tensors, coded against those of the base$/m);
  expect(stdout).toMatch(/^kept {9}2 tensors, 8\.2 kB$/m);
  expect(stdout).toMatch(/^new {10}1 tensor, 12 B$/m);
});

test('verify takes a payload of files; compose and reverse refuse it', async () => {
  const payload = at('onnx.ndiff');
  expect((await command('verify', at('base.onnx'), payload)).status).toBe(0);
  const out = ['-o', at('none.ndiff'), '--json'];
  await expectRefusal(
    command('reverse', payload, '--base', at('base.onnx'), ...out),
    'needs-copy',
    'it makes new files',
  );
  const compose = await command('compose', payload, payload, '--base', at('base.onnx'), ...out);
  expect(compose.status).not.toBe(0);
});
