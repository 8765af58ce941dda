import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { diffModels } from '../../src/exact-diff/diff-stores.js';
import type { Model, Tensor } from '../../src/model/tensor.js';
import { externalData, field, onnxModel, tensorProto } from '../containers/write-onnx.js';
import { concat, seededTensor } from '../support.js';
import { command, expectRefusal, scratch } from './command.js';

const shared = scratch();
let folder: string;
const at = (...names: string[]): string => join(folder, ...names);
const read = (...names: string[]): Uint8Array => new Uint8Array(readFileSync(at(...names)));

const modelOf = (seed: number): { tensors: [Tensor, Tensor, Tensor] } => {
  return {
    tensors: [
      seededTensor('kernel', 'float32', [3, 4], seed),
      seededTensor('bias', 'float32', [4], seed + 1),
      seededTensor('deep', 'float16', [5], seed + 2),
    ],
  };
};
const [base, next]: Model[] = [modelOf(1), modelOf(10)];
const table = seededTensor('out', 'float32', [2], 5);

/** A constant's tensor is a weight with the name of its output. */
const constant = field(
  1,
  concat(
    field(2, 'out'),
    field(4, 'Constant'),
    field(5, concat(field(1, 'value'), field(5, tensorProto(table, externalData('constants'))))),
  ),
);

const withTable = ({ tensors }: Model): Model => ({ tensors: [...tensors, table] });

/** Weights in two files of external data, one in a folder of its own, and one within the model's file. */
function writeExternal(model: Model): Record<string, Uint8Array> {
  const [kernel, bias, deep] = model.tensors as [Tensor, Tensor, Tensor];
  const file = onnxModel(
    constant,
    field(5, tensorProto(kernel, externalData('model.onnx.data', 8))),
    field(5, tensorProto(bias)),
    field(5, tensorProto(deep, externalData('parts/deep.bin'))),
  );
  return {
    'model.onnx': file,
    'model.onnx.data': concat(new Uint8Array(8), kernel.bytes),
    'parts/deep.bin': deep.bytes,
    constants: table.bytes,
  };
}

/** @returns contents by path of the files that a model has in a folder */
const contents = (name: string): Record<string, Uint8Array> =>
  Object.fromEntries(Object.keys(writeExternal(base!)).map((path) => [path, read(name, path)]));

beforeEach(async () => {
  folder = mkdtempSync(join(shared, 'case-'));
  mkdirSync(at('models', 'parts'), { recursive: true });
  for (const [path, bytes] of Object.entries(writeExternal(base!))) writeFileSync(at('models', path), bytes);
  writeFileSync(at('models', 'another.onnx'), 'of somebody else');
  writeFileSync(at('update.ndiff'), (await diffModels(withTable(base!), withTable(next!))).payload);
});

const apply = (from: string, ...more: string[]) => command('apply', at(from), at('update.ndiff'), ...more);

test('apply copies an ONNX model with the files that it names into a folder, and leaves the original alone', async () => {
  const before = contents('models');
  expect(await apply('models/model.onnx', '-o', at('next'))).toMatchObject({ status: 0 });
  expect(contents('next')).toEqual(writeExternal(next!));
  expect(contents('models')).toEqual(before);
  expect(readdirSync(at('next'), { recursive: true }).sort()).toEqual([
    'constants',
    'model.onnx',
    'model.onnx.data',
    'parts',
    join('parts', 'deep.bin'),
  ]);
  expect(readdirSync(folder).sort()).toEqual(['models', 'next', 'update.ndiff']);
});

test('a folder with a model.onnx is a model: its copy is patched again, in place and copied', async () => {
  expect((await apply('models', '-o', at('next'))).status).toBe(0);
  const again = await apply('next', '-o', at('copy'));
  expect(again).toMatchObject({ status: 0, stdout: expect.stringMatching(/^already current, copied: /) });
  expect(contents('copy')).toEqual(writeExternal(next!));
  expect((await apply('models', '--in-place')).status).toBe(0);
  expect(contents('models')).toEqual(writeExternal(next!));
});

test('apply copies what links in the folder lead to', async () => {
  symlinkSync('model.onnx', at('models', 'current.onnx'));
  expect((await apply('models/current.onnx', '-o', at('next'))).status).toBe(0);
  expect(read('next', 'current.onnx')).toEqual(writeExternal(next!)['model.onnx']);
  expect(read('next', 'model.onnx.data')).toEqual(writeExternal(next!)['model.onnx.data']);
  expect(contents('models')).toEqual(writeExternal(base!));
});

test('apply refuses the name of a file for a model in several', async () => {
  const outcome = apply('models/model.onnx', '-o', at('next.onnx'), '--json');
  await expectRefusal(outcome, 'usage', 'the model has 4 files; name a folder');
  expect(existsSync(at('next.onnx'))).toBe(false);
});

test('apply replaces another folder when forced, never the one that the model lies in', async () => {
  mkdirSync(at('next'));
  writeFileSync(at('next', 'old'), '');
  await expectRefusal(apply('models', '-o', at('next'), '--json'), 'output-exists', 'exists already');
  expect((await apply('models', '-o', at('next'), '--force')).status).toBe(0);
  expect([existsSync(at('next', 'old')), contents('next')]).toEqual([false, writeExternal(next!)]);
  for (const out of [at('models'), folder]) {
    const outcome = apply('models', '-o', out, '--force', '--json');
    await expectRefusal(outcome, 'output-exists', 'it contains the model to copy');
  }
  expect(contents('models')).toEqual(writeExternal(base!));
});

test('apply refuses a model whose data are missing or elsewhere, and leaves nothing behind', async () => {
  const lost = field(5, concat(field(1, 'value'), field(5, tensorProto(table, externalData('lost')))));
  const weights = base!.tensors.map((tensor) => field(5, tensorProto(tensor)));
  writeFileSync(at('models', 'lost.onnx'), onnxModel(field(1, lost), ...weights));
  await expectRefusal(apply('models/lost.onnx', '-o', at('next'), '--json'), 'file-not-found', 'lost');
  symlinkSync(at('update.ndiff'), at('models', 'lost'));
  await expectRefusal(apply('models/lost.onnx', '-o', at('next'), '--json'), 'unsafe-path', 'lost');
  await expectRefusal(apply('models/lost.onnx', '--in-place', '--json'), 'unsafe-path', 'lost');
  expect(readdirSync(folder).sort()).toEqual(['models', 'update.ndiff']);
});
