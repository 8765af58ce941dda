import { expect, test } from 'vitest';
import { openOnnxStore } from '../../src/containers/onnx.js';
import { openContainer } from '../../src/containers/open-container.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { copyModel } from '../../src/model/store.js';
import { codeOf, concat, seededBytes, seededTensor } from '../support.js';
import { externalData, field, nodeWith, onnxModel, tensorProto } from './write-onnx.js';

const FILE = 'model.onnx';
const open = (bytes: Uint8Array, others: Record<string, Uint8Array> = {}) =>
  openOnnxStore(openMemoryFiles(new Map([...Object.entries(others), [FILE, bytes]])), FILE);

const kernel = seededTensor('kernel', 'float32', [3, 4]);
const proto = tensorProto(kernel);
const VALUE = 5;
const VALUES = 10;
const SPARSE = 22;

/** @returns a node's message, with tensors in its attributes */
const body = (operator: string, output: string, ...attributes: [string, number, Uint8Array][]): Uint8Array =>
  concat(
    field(2, output),
    field(4, operator),
    ...attributes.map(([name, number, tensor]) => field(5, concat(field(1, name), field(number, tensor)))),
  );
const node = (...args: Parameters<typeof body>): Uint8Array => field(1, body(...args));
const constant = (output: string, tensor = proto): Uint8Array =>
  node('Constant', output, ['value', VALUE, tensor]);
const namesOf = async (bytes: Uint8Array): Promise<string[]> =>
  (await open(bytes)).tensors.map(({ name }) => name);

test('openOnnxStore() names a constant by its output, and tensors of other attributes by output and attribute', async () => {
  const bytes = onnxModel(
    constant('weight'),
    node('ConstantOfShape', 'zeros', ['value', VALUE, proto]),
    node('Encoder', 'codes', ['keys', VALUE, proto], ['values', VALUE, proto]),
    node('Nameless', '', ['table', VALUE, proto]),
    field(5, proto),
  );
  expect(await namesOf(bytes)).toEqual([
    'weight',
    'zeros@value',
    'codes@keys',
    'codes@values',
    '3@table',
    'kernel',
  ]);
});

test('openOnnxStore() numbers the tensors of a list', async () => {
  const list = field(5, concat(field(1, 'tables'), field(VALUES, proto), field(VALUES, proto)));
  const bytes = onnxModel(field(1, concat(field(2, 'found'), field(4, 'Lookup'), list)));
  expect(await namesOf(bytes)).toEqual(['found@tables.0', 'found@tables.1']);
});

test('openOnnxStore() finds constants in branches and in local functions', async () => {
  const fn = (name: string, overload = ''): Uint8Array =>
    field(
      25,
      concat(
        field(7, body('Constant', 'weight', ['value', VALUE, proto])),
        field(11, concat(field(1, 'table'), field(VALUE, proto))),
        field(1, name),
        field(10, 'my.domain'),
        overload === '' ? [] : field(13, overload),
      ),
    );
  const branch = concat(nodeWith(constant('deep')), constant('weight'));
  const bytes = concat(onnxModel(constant('weight'), nodeWith(branch, branch)), fn('F'), fn('F', 'x'));
  expect(await namesOf(bytes)).toEqual([
    'weight',
    '1.0/0.0/deep',
    '1.0/weight',
    '1.1/0.0/deep',
    '1.1/weight',
    'my.domain:F/weight',
    'my.domain:F/@table',
    'my.domain:F:x/weight',
    'my.domain:F:x/@table',
  ]);
});

test('openOnnxStore() reads and writes constants in place, also those in other files', async () => {
  const data = kernel.bytes.slice();
  const outside = tensorProto({ ...kernel, name: '' }, externalData('weights', 0, 48));
  const make = (tensor = proto): Uint8Array =>
    onnxModel(nodeWith(constant('inner', tensor)), constant('outer', outside));
  const bytes = make();
  const store = await open(bytes, { weights: data });
  const { tensors } = await copyModel(store);
  expect(tensors.map((tensor) => tensor.bytes)).toEqual([kernel.bytes, kernel.bytes]);
  const changed = seededBytes(7, 48);
  await store.write('0.0/inner', 0, changed);
  await store.write('outer', 0, changed);
  expect(bytes).toEqual(make(tensorProto({ ...kernel, bytes: changed })));
  expect(data).toEqual(changed);
});

test('openOnnxStore() skips texts in attributes, and refuses sparse tensors and names that occur twice', async () => {
  const texts = concat(field(2, 8), field(6, 'a text'));
  expect(await namesOf(onnxModel(node('Encoder', 'a', ['keys', VALUE, texts]), constant('b')))).toEqual([
    'b',
  ]);
  const twice = [constant('a'), constant('a')];
  expect(await codeOf(() => open(onnxModel(...twice)))).toBe('bad-model');
  expect(await codeOf(() => open(onnxModel(constant('kernel'), field(5, proto))))).toBe('bad-model');
  const two = node('Encoder', 'a', ['keys', VALUE, proto], ['keys', VALUE, proto]);
  expect(await codeOf(() => open(onnxModel(two)))).toBe('bad-model');
  const sparse = node('Constant', 'a', ['sparse_value', SPARSE, field(1, proto)]);
  expect(await codeOf(() => open(onnxModel(sparse)))).toBe('unsupported-model');
});

test('a change of a graph around a constant leaves the names of others', async () => {
  const before = await namesOf(onnxModel(constant('a'), constant('b')));
  const after = await namesOf(onnxModel(node('Relu', 'y'), constant('a'), node('Relu', 'z'), constant('b')));
  expect(after).toEqual(before);
});

test('openOnnxStore() refuses more numbers stored as varints than fit in memory', async () => {
  const numbers = concat(field(1, 2 ** 20), field(2, 7), field(7, new Uint8Array(2 ** 20)));
  const models = [2, 3].map((count) =>
    onnxModel(...Array.from({ length: count }, (_, i) => field(5, concat(numbers, field(8, `${i}`))))),
  );
  const [fits, exceeds] = models as [Uint8Array, Uint8Array];
  expect((await open(fits)).readOnly?.size).toBe(2);
  expect(await codeOf(() => open(exceeds))).toBe('unsupported-model');
});

test('openContainer() refuses an ONNX model without tensors', async () => {
  const files = openMemoryFiles(new Map([[FILE, onnxModel(node('Relu', 'y'))]]));
  expect(await codeOf(() => openContainer(files, FILE))).toBe('empty-model');
});
