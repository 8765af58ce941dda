import { expect, test } from 'vitest';
import type { TensorInfo } from '../../src/model/tensor.js';
import { joinBytes, sourceOf } from '../../src/payload/byte-source.js';
import type { Buckets, Op } from '../../src/payload/diff.js';
import { encodePayload, recordValues } from '../../src/payload/encode.js';
import { codeOf, concat, seededBytes } from '../support.js';

const TENSORS: readonly TensorInfo[] = [
  { name: 'a', dtype: 'float32', shape: [4] },
  { name: 'b', dtype: 'int8', shape: [4] },
];
const HEADER = { base: '00'.repeat(16), next: '00'.repeat(16), tensors: TENSORS, meta: {} };

const sparse = (more: object): Op => {
  const op = {
    kind: 'sparse',
    tensor: 'a',
    positions: Uint32Array.of(0, 2),
    levels: Int16Array.of(1, -2),
  } as const;
  return { ...op, scale: 0.5, ...more };
};
const dense = (more: object): Op => {
  return { kind: 'dense', tensor: 'a', levels: Int8Array.of(0, 1, -1, 0), scale: 0.5, ...more };
};
const hash = (more: object, coding: Buckets['coding'] = 'levels', values = [1, 0, -1]): Op => {
  const buckets =
    coding === 'float'
      ? { coding, values: Float32Array.from(values) }
      : { coding, values: Int8Array.from(values) };
  return { kind: 'hash', tensors: [{ tensor: 'a', scale: 0.5 }], seed: 1, block: 2, buckets, ...more };
};

test('recordValues() writes a record that is too long for one bin in parts, up to 15', async () => {
  const record = seededBytes(1, 700);
  const write = (most: number): Uint8Array =>
    concat(...recordValues(sourceOf(record), most).map((value) => joinBytes(value)));
  expect(write(700)).toEqual(concat([0xc5, 0x02, 0xbc], record));
  const [first, second] = [record.subarray(0, 400), record.subarray(400)];
  expect(write(400)).toEqual(concat([0x92, 0xc5, 0x01, 0x90], first, [0xc5, 0x01, 0x2c], second));
  expect(write(47)[0]).toBe(0x9f);
  expect(await codeOf(() => write(46))).toBe('limit-exceeded');
});

test('encodePayload() packs ops that keep to their ranges', async () => {
  for (const op of [
    sparse({}),
    dense({}),
    hash({}),
    hash({}, 'levels', [1, -127]),
    hash({}, 'float', [0.1]),
  ]) {
    expect((await encodePayload(HEADER, { ops: [op] })).length).toBeGreaterThan(55);
  }
});

const WRONG: Readonly<Record<string, Op>> = {
  'a sparse level of 0': sparse({ levels: Int16Array.of(1, 0) }),
  'a sparse level of -32,768': sparse({ levels: Int16Array.of(1, -32_768) }),
  'more positions than levels': sparse({ levels: Int16Array.of(1) }),
  'no positions': sparse({ positions: new Uint32Array(), levels: new Int16Array() }),
  'positions that do not ascend': sparse({ positions: Uint32Array.of(2, 2) }),
  'a position outside the tensor': sparse({ positions: Uint32Array.of(0, 4) }),
  'a scale of 0': sparse({ scale: 0 }),
  'a scale that is no float32': sparse({ scale: 0.1 }),
  'a scale of nine significant bits': dense({ scale: 1 + 2 ** -8 }),
  'a scale above 2^96': dense({ scale: 2 ** 97 }),
  'a scale that is no number': dense({ scale: Number.NaN }),
  'a dense level of -128': dense({ levels: Int8Array.of(0, -128, 0, 0) }),
  'a run of dense levels': dense({ first: 1 }),
  'fewer dense levels than elements': dense({ levels: Int8Array.of(0, 1) }),
  'a broken scale for integers': dense({ tensor: 'b', scale: 1.5 }),
  'float buckets for integers': hash({ tensors: [{ tensor: 'b', scale: 1 }] }, 'float', [1]),
  'no buckets': hash({}, 'levels', []),
  'a bucket of -128': hash({}, 'levels', [-128]),
  'more buckets than weights': hash({}, 'levels', [1, 1, 1, 1, 1]),
  'a float bucket without end': hash({}, 'float', [Number.POSITIVE_INFINITY]),
  'blocks of 0': hash({ block: 0 }),
  'a seed beyond 32 bits': hash({ seed: 2 ** 32 }),
  'a tensor that the header does not have': sparse({ tensor: 'c' }),
  'hashed tensors out of order': hash({
    tensors: [
      { tensor: 'b', scale: 1 },
      { tensor: 'a', scale: 1 },
    ],
  }),
};

test.each(Object.entries(WRONG))('encodePayload() refuses %s', async (_what, op) => {
  await expect(encodePayload(HEADER, { ops: [op] })).rejects.toThrow(RangeError);
});

test.each<[string, string | number]>([
  ['Capital', 1],
  ['with space', 1],
  ['broken', 1.5],
  ['negative', -1],
  ['long', 'x'.repeat(5000)],
])('encodePayload() refuses metadata "%s"', async (key, value) => {
  await expect(encodePayload({ ...HEADER, meta: { [key]: value } }, { ops: [] })).rejects.toThrow(RangeError);
});
