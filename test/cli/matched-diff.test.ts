import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { HALVES } from '../../src/model/float16.js';
import { copyModel } from '../../src/model/store.js';
import type { Model, Tensor } from '../../src/model/tensor.js';
import { openModel } from '../../src/node/open-model.js';
import { writeHdf5 } from '../containers/write-hdf5.js';
import { writeOnnx } from '../containers/write-onnx.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { command, scratch, writeModel } from './command.js';

const folder = scratch();
const at = (name: string): string => join(folder, name);
let base: Model;
let next: Model;

const floatsOf = ({ bytes }: Tensor): Float32Array => new Float32Array(bytes.slice().buffer);

/** Moves every weight a little. */
function moved({ tensors }: Model): Model {
  const move = (tensor: Tensor): Uint8Array =>
    new Uint8Array(floatsOf(tensor).map((value) => value * 1.0001 + 1e-6).buffer);
  return { tensors: tensors.map((tensor) => ({ ...tensor, bytes: move(tensor) })) };
}

const renamed = ({ tensors }: Model, nameOf: (name: string, i: number) => string): Model => {
  return { tensors: tensors.map((tensor, i) => ({ ...tensor, name: nameOf(tensor.name, i) })) };
};

function inHalves({ tensors }: Model): Model {
  const narrow = (tensor: Tensor): Uint8Array =>
    new Uint8Array(Uint16Array.from(floatsOf(tensor), HALVES.float16.narrow).buffer);
  return { tensors: tensors.map((tensor) => ({ ...tensor, dtype: 'float16', bytes: narrow(tensor) })) };
}

beforeAll(async () => {
  await writeModel(at('layers'));
  const store = await openModel(at('layers'));
  base = await copyModel(store);
  await store.close();
  next = moved(base);
  writeFileSync(at('base.safetensors'), writeSafetensors(base));
  writeFileSync(at('next.safetensors'), writeSafetensors(next));
  writeFileSync(at('half.safetensors'), writeSafetensors(inHalves(base)));
  const inKeras = (name: string): string => `model_weights/${name.split('/')[0]}/${name}:0`;
  writeFileSync(at('next.h5'), writeHdf5(renamed(next, inKeras)));
  for (const name of ['model.h5', 'model.keras'])
    copyFileSync(join(import.meta.dirname, '..', 'containers', 'files', name), at(name));
});

const diff = (from: string, to: string, out: string, ...more: string[]) =>
  command('diff', at(from), at(to), '-o', at(out), ...more);

/** Applies a payload to a file. @returns the patched file */
async function patched(file: string, payload: string): Promise<Uint8Array> {
  const out = at(`of-${payload}-${file}`);
  expect((await command('apply', at(file), at(payload), '-o', out)).status).toBe(0);
  return new Uint8Array(readFileSync(out));
}

test('diff takes tensors that another container names by a longer path, and says so', async () => {
  const { status, stdout } = await diff('layers', 'next.h5', 'h5.ndiff');
  expect(status).toBe(0);
  expect(stdout).toContain('renamed    hidden/kernel takes model_weights/hidden/hidden/kernel:0\n');
  expect(await patched('base.safetensors', 'h5.ndiff')).toEqual(writeSafetensors(next));
});

test('diff finds tensors that an exporter numbered again by their content', async () => {
  const layer = (i: number, { tensors }: Model): Tensor => tensors[2 * (i % 2)] as Tensor;
  const stack = (model: Model): Model => {
    const noise = (i: number, tensor: Tensor): Tensor => {
      const values = floatsOf(tensor).map((value, at) => value * Math.cos(i + at * i));
      return { ...tensor, name: `onnx::MatMul_${10 + i}`, bytes: new Uint8Array(values.buffer) };
    };
    return { tensors: Array.from({ length: 6 }, (_, i) => noise(i, layer(i, model))) };
  };
  const [from, to] = [stack(base), stack(next)];
  const renumbered = renamed(to, (_, i) => `onnx::MatMul_${12 + i}`);
  writeFileSync(at('numbered.onnx'), writeOnnx(from));
  writeFileSync(at('numbered-again.onnx'), writeOnnx({ tensors: [...renumbered.tensors].reverse() }));
  const { stdout } = await diff('numbered.onnx', 'numbered-again.onnx', 'onnx.ndiff', '--json');
  expect(JSON.parse(stdout).renamed).toEqual(
    from.tensors.map(({ name }, i) => [name, `onnx::MatMul_${12 + i}`]),
  );
  expect(await patched('numbered.onnx', 'onnx.ndiff')).toEqual(writeOnnx(to));
});

test('diff of the same weights in two files of Keras changes nothing', async () => {
  const { status, stdout } = await diff('model.h5', 'model.keras', 'keras.ndiff', '--json');
  const report = JSON.parse(stdout);
  expect([status, report.changedTensors, report.renamed.length]).toEqual([0, 0, 6]);
  expect(report.renamed).toContainEqual(['model_weights/out/tiny/out/kernel', 'layers/dense_1/vars/0']);
});

test('diff --no-rename refuses other names, and takes equal ones', async () => {
  const refused = await diff('layers', 'next.h5', 'no.ndiff', '--no-rename', '--json');
  const { code, message } = JSON.parse(refused.stdout).error;
  expect([refused.status, code, existsSync(at('no.ndiff'))]).toEqual([3, 'wrong-layout', false]);
  expect(message).toContain('"hidden/kernel"');
  expect((await diff('layers', 'next.safetensors', 'no.ndiff', '--no-rename')).stdout).not.toContain(
    'renamed',
  );
});

test('diff --cast makes a payload for a base of halves, and says how many weights were rounded', async () => {
  const whole = await diff('half.safetensors', 'next.h5', 'files.ndiff');
  expect([whole.status, whole.stderr]).toEqual([0, expect.stringContaining('allow casts (--cast)')]);
  const { stdout } = await diff('half.safetensors', 'next.h5', 'half.ndiff', '--cast');
  expect(stdout).toMatch(/^cast {7}6 tensors, \d{4} weights rounded$/m);
  expect(await patched('half.safetensors', 'half.ndiff')).toEqual(writeSafetensors(inHalves(next)));
  const widened = await diff('layers', 'half.safetensors', 'wide.ndiff', '--cast', '--json');
  expect(JSON.parse(widened.stdout)).toMatchObject({ castTensors: 6, roundedElements: 0, renamed: [] });
});
