import { expect, test } from 'vitest';
import { CLASSIFIER, upperPart, withClassifier, withOutputs } from '../../../examples/common/onnx-edit.js';
import { runOnnx } from '../../../examples/common/onnx-session.js';
import { openContainer } from '../../../src/containers/open-container.js';
import { openMemoryFiles } from '../../../src/model/model-files.js';
import { field, graphInput, graphOutput, node, onnxModel, tensorProto } from '../../containers/write-onnx.js';
import { loadOnnxRuntime } from '../../runtimes/onnx-runtime.js';
import { seededFloats } from '../../support.js';

const hasRuntime = (await loadOnnxRuntime()) !== undefined;

const weight = (name: string, shape: readonly number[], seed: number): Uint8Array => {
  const values = seededFloats(
    seed,
    shape.reduce((a, b) => a * b),
  );
  const bytes = new Uint8Array(values.buffer);
  return field(5, tensorProto({ name, dtype: 'float32', shape, bytes }));
};

/** Two layers; the second one takes a constant, too. */
const FILE = onnxModel(
  node('MatMul', { inputs: ['x', 'first'], outputs: ['products'] }),
  node('Relu', { inputs: ['products'], outputs: ['hidden'] }),
  node('MatMul', { inputs: ['hidden', 'second'], outputs: ['sums'] }),
  node('Add', { inputs: ['sums', 'bias'], outputs: ['y'] }),
  weight('first', [4, 6], 1),
  weight('second', [6, 3], 2),
  weight('bias', [3], 3),
  graphInput('x', [5, 4]),
  graphOutput('y', [5, 3]),
);

const ROWS = { values: seededFloats(4, 20), shape: [4], count: 5 };

async function namesOf(file: Uint8Array): Promise<string[]> {
  const store = await openContainer(openMemoryFiles(new Map([['model.onnx', file]])), 'model.onnx');
  return store.tensors.map(({ name }) => name).sort();
}

test.skipIf(!hasRuntime)(
  'upperPart() makes of a value in the middle what the whole makes of it',
  async () => {
    const run = { batchSize: 5 };
    const whole = await runOnnx(FILE, ROWS, { ...run, output: 'y' });
    const hidden = await runOnnx(withOutputs(FILE, ['hidden']), ROWS, { ...run, output: 'hidden' });
    expect(hidden.shape).toEqual([6]);
    const part = upperPart(FILE, { name: 'hidden', shape: [null, 6] });
    expect(await runOnnx(part, hidden, { ...run, output: 'y' })).toEqual(whole);
    expect(await namesOf(part)).toEqual(['bias', 'first', 'second']);
  },
);

test.skipIf(!hasRuntime)('withClassifier() puts a layer of classes behind a network', async () => {
  const kernel = seededFloats(5, 6);
  const file = withClassifier(FILE, { from: { name: 'y', shape: [5, 3] }, classes: 2, kernel });
  expect(await namesOf(file)).toEqual(['bias', CLASSIFIER.bias, CLASSIFIER.kernel, 'first', 'second']);
  const run = { batchSize: 5 };
  const { values } = await runOnnx(FILE, ROWS, { ...run, output: 'y' });
  const found = await runOnnx(file, ROWS, { ...run, output: CLASSIFIER.output });
  expect(found.shape).toEqual([2]);
  for (let i = 0; i < 5; i++) {
    const [a, b] = [0, 1].map((k) =>
      Math.exp(
        [0, 1, 2].reduce((sum, j) => sum + (values[3 * i + j] as number) * (kernel[2 * j + k] as number), 0),
      ),
    ) as [number, number];
    expect(found.values[2 * i]).toBeCloseTo(a / (a + b), 5);
  }
});

test('the editors refuse a file that ends in the middle of a field', () => {
  expect(() => withOutputs(Uint8Array.of(8, 0x80), ['y'])).toThrow('Cannot edit ONNX file');
});
