import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { isCleanText } from '../../src/model/tensor.js';
import { borrowValue } from '../../src/payload/msgpack.js';
import { codeOf, concat, errorOf, offsetView } from '../support.js';

const pack = (value: unknown) =>
  new Uint8Array(new Packr({ useRecords: false, variableMapSize: true }).pack(value));

const text = fc.string({ unit: 'binary', maxLength: 300 }).filter(isCleanText);
const uint = fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 70_000 }), fc.nat({ max: 0xffffffff }));
const bin = fc.uint8Array({ maxLength: 300 });
const list = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 20 });
const map = <T>(item: fc.Arbitrary<T>) =>
  fc.dictionary(
    text.filter((key) => key !== '__proto__'),
    item,
    { maxKeys: 20 },
  );
const leaf = fc.oneof(uint, text, bin);
const nested = fc.oneof(leaf, list(leaf), map(leaf), list(list(leaf)), map(list(list(leaf))));

/** The maps that the reader gives, as the plain objects that the packer takes. */
function plain(value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

test('borrowValue() reads everything that the packer makes of our shapes, and finds its end', () => {
  fc.assert(
    fc.property(nested, bin, (value, trailing) => {
      const packed = pack(value);
      const read = borrowValue(offsetView(concat([1, 2, 3], packed, trailing)), 3);
      expect(read.end).toBe(3 + packed.length);
      expect(plain(read.value)).toEqual(value);
    }),
  );
});

test('borrowValue() reads texts, binaries and lists around the sizes at which their heads grow', () => {
  for (const size of [0, 31, 32, 255, 256, 65_535]) {
    expect(borrowValue(pack('é'.repeat(size >> 1)), 0).value).toBe('é'.repeat(size >> 1));
    expect(borrowValue(pack('a'.repeat(size)), 0).value).toBe('a'.repeat(size));
  }
  for (const size of [0, 255, 256, 65_535, 65_536])
    expect(borrowValue(pack(new Uint8Array(size)), 0).value).toEqual(new Uint8Array(size));
  for (const size of [0, 15, 16, 65_535])
    expect(borrowValue(pack(Array(size).fill(1)), 0).value).toHaveLength(size);
  for (const size of [127, 128, 255, 256, 65_535, 65_536, 0xffffffff])
    expect(borrowValue(pack(size), 0).value).toBe(size);
});

test('borrowValue() refuses every truncation of a value', async () => {
  const packed = pack({ list: [1, 300, 70_000, 'größe'], bin: new Uint8Array(3), text: 'a'.repeat(40) });
  for (let end = 0; end < packed.length; end++)
    expect(await codeOf(() => borrowValue(packed.subarray(0, end), 0))).toBe('corrupt-payload');
});

test('borrowValue() gives a key like __proto__ as any other, and pollutes nothing', () => {
  const { value } = borrowValue(
    concat([0x81, 0xa9], new TextEncoder().encode('__proto__'), [0x81, 0xa1, 0x61, 1]),
    0,
  );
  expect([...(value as Map<string, unknown>).keys()]).toEqual(['__proto__']);
  expect(({} as Record<string, unknown>).a).toBeUndefined();
});

test('borrowValue() gives byte arrays as views of its input', () => {
  const bytes = Uint8Array.of(0xc4, 2, 7, 8);
  const { value } = borrowValue(bytes, 0);
  expect((value as Uint8Array).buffer).toBe(bytes.buffer);
});

const hexBytes = (digits: string) =>
  Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

describe('borrowValue() refuses', () => {
  const refused: readonly [string, string][] = [
    ['nothing at all', ''],
    ['a list with a size of 32 bits', `dd00010000${'01'.repeat(65_536)}`],
    ['a list of 65,535 values in three bytes', 'dcffff'],
    ['a map of 65,535 pairs in three bytes', 'deffff'],
    ['binary data of 2^32 - 1 bytes in five bytes', 'c6ffffffff'],
    ['a map of 2^32 - 1 pairs', 'dfffffffff'],
    ['a text with a size of 32 bits', 'db00010000'],
    ['200,000 nested lists', '91'.repeat(200_000)],
    ['200,000 nested maps', '81a161'.repeat(200_000)],
    ['five levels of lists', '919191919101'],
    ['nil', 'c0'],
    ['the type byte that is never used', 'c1'],
    ['false', 'c2'],
    ['true', 'c3'],
    ['an extension of 8 bits', 'c70101ff'],
    ['an extension of 16 bits', 'c8000101ff'],
    ['an extension of 32 bits', 'c90000000101ff'],
    ['a float32', 'ca3f800000'],
    ['a float64', 'cb3ff0000000000000'],
    ['a uint64', 'cf0000000100000000'],
    ['a negative integer in one byte', 'ff'],
    ['an int8', 'd0ff'],
    ['an int16', 'd1ffff'],
    ['an int32', 'd2ffffffff'],
    ['an int64', 'd3ffffffffffffffff'],
    ['an extension of one byte', 'd40101'],
    ['a record definition of the packer', 'd472409161'],
    ['a timestamp', 'd6ff00000000'],
    ['an extension of two bytes', 'd5010101'],
    ['an extension of eight bytes', 'd7010000000000000000'],
    ['an extension of sixteen bytes', `d801${'00'.repeat(16)}`],
    ['127 in two bytes', 'cc7f'],
    ['255 in three bytes', 'cd00ff'],
    ['65,535 in five bytes', 'ce0000ffff'],
    ['a text of 31 bytes with a size byte', `d91f${'61'.repeat(31)}`],
    ['a text of 255 bytes with a size of 16 bits', `da00ff${'61'.repeat(255)}`],
    ['binary data of 255 bytes with a size of 16 bits', `c500ff${'00'.repeat(255)}`],
    ['binary data of 65,535 bytes with a size of 32 bits', `c60000ffff${'00'.repeat(65_535)}`],
    ['a list of 15 values with a size of 16 bits', `dc000f${'01'.repeat(15)}`],
    ['a map of one pair with a size of 16 bits', 'de0001a16101'],
    ['a lone byte of continuation', 'a180'],
    ['an overlong slash', 'a2c0af'],
    ['a surrogate in UTF-8', 'a3eda080'],
    ['a character cut off', 'a2e282'],
    ['a code point above U+10FFFF', 'a4f4908080'],
    ['a byte order mark before a text', 'a4efbbbf61'],
    ['a byte order mark inside a text', 'a461efbbbf'],
    ['a byte order mark before a long text', `d964efbbbf${'61'.repeat(97)}`],
    ['a key twice', '82a16101a16102'],
    ['a key that is a number', '810101'],
    ['a key that is binary data', '81c4016101'],
    ['a key that is a list', '819001'],
    ['a map without its last value', '81a161'],
  ];
  test.each(refused)('%s', async (_, digits) => {
    expect(await codeOf(() => borrowValue(hexBytes(digits), 0))).toBe('corrupt-payload');
  });
});

test('borrowValue() refuses a list that claims 65,535 values at the first one that is missing', async () => {
  const error = await errorOf(() => borrowValue(hexBytes('dcffff0102'), 0));
  expect(error.message).toContain('byte 5');
});
