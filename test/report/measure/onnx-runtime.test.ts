import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  importOnnxRuntime,
  type OnnxRuntime,
  openOnnxRunner,
} from '../../../src/report/measure/onnx-runtime.js';
import { useBackend } from '../../../src/tfjs/backend.js';
import { field, node, onnxModel, rawData, tensorProto } from '../../containers/write-onnx.js';
import { concat, seededTensor } from '../../support.js';

const folder = mkdtempSync(join(tmpdir(), 'neural-diff-onnx-runtime-'));
const runtime = await importOnnxRuntime();

/** An input (field 11) or output (field 12) of examples. */
function port(number: 11 | 12, name: string, type: number): Uint8Array {
  const shape = concat(field(1, field(2, 'examples')), field(1, field(1, 3)));
  return field(number, concat(field(1, name), field(2, field(1, concat(field(1, type), field(2, shape))))));
}

const open = (...graph: Uint8Array[]) => {
  const path = join(folder, `${Math.random()}.onnx`);
  writeFileSync(path, onnxModel(...graph));
  return openOnnxRunner(runtime as OnnxRuntime, path, { activationOf: () => undefined });
};

beforeAll(() => useBackend('cpu'));

describe.skipIf(runtime === undefined)('openOnnxRunner()', () => {
  test.each([
    ['float32', 1, [0.1, -2, 3]],
    ['uint8', 2, [0, 3, 255]],
    ['int8', 3, [-128, 0, 127]],
    ['int32', 6, [-70_000, 0, 70_000]],
    ['int64', 7, [-70_000, 0, 70_000]],
    ['bool', 9, [0, 1, 1]],
    ['float16', 10, [0.25, -2, 1024]],
    ['float64', 11, [0.5, -2, 1e9]],
  ])('passes values of %s in and out', async (_, type, values) => {
    const echo = node('Identity', { inputs: ['x'], outputs: ['y'] });
    const runner = await open(echo, port(11, 'x', type), port(12, 'y', type));
    const x = tf.tensor2d([...values, ...values], [2, 3]);
    const [found] = await runner.run([x]);
    expect(found).toEqual({ shape: [2, 3], values: await x.data() });
    expect([runner.inputShapes, runner.outputShapes]).toEqual([[[null, 3]], [[null, 3]]]);
    await runner.dispose();
  });

  test('refuses data that the model cannot take', async () => {
    const table = field(5, tensorProto(seededTensor('table', 'float32', [4, 2]), rawData));
    const look = node('Gather', { inputs: ['table', 'x'], outputs: ['y'] });
    const runner = await open(look, table, port(11, 'x', 7), field(12, field(1, 'y')));
    const run = (value: number) => runner.run([tf.fill([1, 3], value)]);
    expect((await run(3))[0]?.shape).toEqual([1, 3, 2]);
    for (const value of [9, 0.5]) await expect(run(value)).rejects.toMatchObject({ code: 'bad-data' });
    await runner.dispose();
  });

  test('refuses types of inputs and files that it cannot use', async () => {
    const runner = await open(
      node('Identity', { inputs: ['x'], outputs: ['y'] }),
      port(11, 'x', 8),
      port(12, 'y', 8),
    );
    await expect(runner.run([tf.zeros([1, 3])])).rejects.toMatchObject({ code: 'unsupported-model' });
    await runner.dispose();
    const unknown = node('NoSuchOperator', { inputs: ['x'], outputs: ['y'] });
    await expect(open(unknown, port(11, 'x', 1), port(12, 'y', 1))).rejects.toMatchObject({
      code: 'unsupported-model',
      message: expect.stringContaining('NoSuchOperator'),
    });
  });
});
