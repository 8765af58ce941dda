import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { field, node, onnxModel, tensorProto } from '../containers/write-onnx.js';
import { seededBytes, seededTensor } from '../support.js';
import { command, scratch } from './command.js';

const folder = scratch();
const at = (name: string): string => join(folder, name);
const kernel = seededTensor('kernel', 'float32', [30, 40]);
const relu = (output: string): Uint8Array => node('Relu', { inputs: ['x'], outputs: [output] });
const model = (output: string, tensor = kernel): Uint8Array =>
  onnxModel(relu(output), field(5, tensorProto(tensor)));

beforeAll(() => {
  writeFileSync(at('base.onnx'), model('y'));
  writeFileSync(at('same.onnx'), model('y'));
  writeFileSync(at('renamed.onnx'), model('z'));
  writeFileSync(at('tuned.onnx'), model('z', { ...kernel, bytes: seededBytes(9, 4800) }));
  writeFileSync(at('empty.onnx'), onnxModel(relu('y')));
});

const diff = (next: string, ...flags: string[]) =>
  command('diff', at('base.onnx'), at(next), '-o', at('update.ndiff'), '--dry-run', ...flags);

test('diff tells equal files from files whose graphs differ', async () => {
  const same = await diff('same.onnx');
  expect(same).toMatchObject({ status: 0, stdout: expect.stringContaining('no change: tensors, graph and') });
  expect(same.stderr).not.toContain('warning');
  const renamed = await diff('renamed.onnx');
  expect(renamed.status).toBe(0);
  expect(renamed.stdout).toContain('no change of tensors: they are equal; the files differ outside of them');
  expect(renamed.stderr).toContain('warning: the files differ outside of their tensors (graph or metadata)');
  const json = async (next: string) => JSON.parse((await diff(next, '--json', '--quiet')).stdout).outside;
  expect([await json('same.onnx'), await json('renamed.onnx')]).toEqual(['equal', 'different']);
});

test('diff warns when the graph differs as well as the weights', async () => {
  const { status, stdout, stderr } = await diff('tuned.onnx');
  expect(status).toBe(0);
  expect(stdout).toContain('in 1 of 1 tensors');
  expect(stderr).toContain('warning: the files differ outside');
  const lossy = await diff('tuned.onnx', '--lossy', '50%');
  expect(lossy.stderr).toContain('warning: the files differ outside');
});

test('info shows how much of a file is outside of its tensors', async () => {
  const path = at('base.onnx');
  const bytes = readFileSync(path).length - 4800;
  expect((await command('info', path)).stdout).toContain(`outside      ${bytes} B of graph and metadata`);
  const { outside } = JSON.parse((await command('info', path, '--json')).stdout);
  expect(outside).toEqual({ format: 'onnx', bytes, digest: expect.stringMatching(/^[0-9a-f]{64}$/) });
});

test('commands refuse a model without tensors', async () => {
  const [base, empty, payload] = [at('base.onnx'), at('empty.onnx'), at('some.ndiff')];
  expect((await command('diff', base, at('tuned.onnx'), '-o', payload)).status).toBe(0);
  for (const args of [
    ['diff', empty, empty, '--no-rename', '-o', at('none.ndiff')],
    ['apply', empty, payload, '--in-place'],
    ['apply', empty, payload, '-o', at('out.onnx')],
    ['verify', empty, payload],
    ['info', empty],
    ['fingerprint', empty],
  ])
    expect(await command(...args)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('(empty-model)'),
    });
});
