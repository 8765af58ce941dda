import { expect, test } from 'vitest';
import { openGgufStore } from '../../src/containers/gguf.js';
import { openContainer } from '../../src/containers/open-container.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { copyModel } from '../../src/model/store.js';
import { codeOf, concat, sampleModel, seededBytes } from '../support.js';
import { fuzz } from './fuzz.js';
import { expectRoundTrip } from './round-trip.js';
import { type Draft, entry, gguf, text, u32, u64, writeGguf } from './write-gguf.js';

const FILE = 'model.gguf';
const filesOf = (bytes: Uint8Array) => openMemoryFiles(new Map([[FILE, bytes]]));
const open = (bytes: Uint8Array) => openGgufStore(filesOf(bytes), FILE);
/** GGUF has no plain bytes. */
const model = () => ({ tensors: sampleModel().tensors.filter(({ dtype }) => dtype !== 'uint8') });
const one = (fields: Partial<Draft> = {}): Draft => {
  return { name: 'a', sizes: [4, 2], type: 0, bytes: seededBytes(1, 32), ...fields };
};

test('openGgufStore() reads and writes a model in place, byte for byte', async () => {
  await expectRoundTrip(open, writeGguf, model);
  expect((await openContainer(filesOf(writeGguf(model())), FILE)).tensors.length).toBe(
    model().tensors.length,
  );
});

test('openGgufStore() gives blocks as bytes, a row of them a row', async () => {
  const tensors = [
    one({ name: 'q4_k', sizes: [512, 3], type: 12, bytes: seededBytes(1, 2 * 144 * 3) }),
    one({ name: 'q8_0', sizes: [64], type: 8, bytes: seededBytes(1, 68) }),
    one({ name: 'wide', sizes: [2], type: 28, bytes: seededBytes(1, 16) }),
  ];
  expect((await open(gguf(tensors))).tensors).toEqual([
    { name: 'q4_k', dtype: 'uint8', shape: [3, 288] },
    { name: 'q8_0', dtype: 'uint8', shape: [68] },
    { name: 'wide', dtype: 'float64', shape: [2] },
  ]);
});

test('openGgufStore() takes the alignment that a file asks for', async () => {
  const entries = [entry('general.alignment', 4, u32(8))];
  const tensors = [
    one({ bytes: seededBytes(1, 32) }),
    one({ name: 'b', sizes: [2], bytes: seededBytes(2, 8) }),
  ];
  const found = await copyModel(await open(gguf(tensors, { entries, alignment: 8, version: 2 })));
  expect(found.tensors.map(({ bytes }) => bytes)).toEqual([seededBytes(1, 32), seededBytes(2, 8)]);
});

/** The first byte of a letter of four becomes one that no letter has. */
function brokenName(): Uint8Array {
  const bytes = gguf([one({ name: '\u{10ffff}' })]);
  bytes[bytes.findIndex((byte, i) => byte === 0xf4 && bytes[i + 1] === 0x8f)] = 0xff;
  return bytes;
}

const REFUSED: Readonly<Record<string, [() => Uint8Array, string]>> = {
  'an empty file': [() => new Uint8Array(0), 'bad-model'],
  'other letters': [() => gguf([]).fill(0x41, 0, 4), 'bad-model'],
  'version 1': [() => gguf([], { version: 1 }), 'unsupported-model'],
  'numbers of the other byte order': [() => gguf([], { version: 0x03000000 }), 'unsupported-model'],
  'more tensors than there are': [() => gguf([]).fill(1, 8, 9), 'bad-model'],
  '2^64 - 1 tensors': [() => gguf([]).fill(0xff, 8, 16), 'bad-model'],
  '2^64 - 1 keys': [() => gguf([]).fill(0xff, 16, 24), 'bad-model'],
  'a value of another type': [() => gguf([], { entries: [entry('a', 13, u32(1))] }), 'bad-model'],
  'a text longer than the file': [() => gguf([], { entries: [entry('a', 8, u64(2 ** 40))] }), 'bad-model'],
  'a list longer than the file': [
    () => gguf([], { entries: [entry('a', 9, concat(u32(0), u64(2 ** 40)))] }),
    'bad-model',
  ],
  'lists that lie too deep': [
    () => gguf([], { entries: [entry('a', 9, concat(...Array(9).fill(concat(u32(9), u64(1)))))] }),
    'bad-model',
  ],
  'an alignment of 0': [() => gguf([], { entries: [entry('general.alignment', 4, u32(0))] }), 'bad-model'],
  'an alignment that is a text': [
    () => gguf([], { entries: [entry('general.alignment', 8, text('32'))] }),
    'bad-model',
  ],
  'a type that is not known': [() => gguf([one({ type: 4 })]), 'unsupported-model'],
  'nine dimensions': [() => gguf([one({ sizes: Array(9).fill(1) })]), 'bad-model'],
  'a size of 2^63': [() => gguf([one({ sizes: [2n ** 63n] })]), 'bad-model'],
  'sizes that overflow': [() => gguf([one({ sizes: [2 ** 31, 2 ** 31] })]), 'bad-model'],
  'half a block': [() => gguf([one({ type: 12, sizes: [128] })]), 'bad-model'],
  'a name twice': [() => gguf([one(), one()]), 'bad-model'],
  'a name that is not UTF-8': [brokenName, 'bad-model'],
  'an empty name': [() => gguf([one({ name: '' })]), 'bad-model'],
  'a tensor that is not aligned': [() => gguf([one({ offset: 4 })], { tail: 32 }), 'bad-model'],
  'a tensor beyond the end': [() => gguf([one({ offset: 32 })]), 'bad-model'],
  'tensors that overlap': [() => gguf([one(), one({ name: 'b', offset: 0 })]), 'bad-model'],
};

test.each(Object.entries(REFUSED))('openGgufStore() refuses %s', async (_name, [make, code]) => {
  expect(await codeOf(() => open(make()))).toBe(code);
});

test('openGgufStore() meets any change of a file with a typed error or tensors within it', async () => {
  expect(await fuzz(open, writeGguf(model()), 600)).toBeGreaterThan(1_000);
});
