import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BitReader, BitWriter } from '../../src/payload/bits.js';
import { FieldReader, FieldWriter } from '../../src/payload/fields.js';
import { codeOf, offsetView } from '../support.js';

const field = fc
  .integer({ min: 0, max: 24 })
  .chain((width) => fc.record({ width: fc.constant(width), value: fc.nat({ max: 2 ** width - 1 }) }));

test('BitReader gives back what BitWriter wrote, and its end', () => {
  fc.assert(
    fc.property(fc.array(field), (fields) => {
      const writer = new BitWriter();
      for (const { value, width } of fields) writer.write(value, width);
      const bytes = writer.finish();
      const total = fields.reduce((sum, { width }) => sum + width, 0);
      expect(bytes).toHaveLength(Math.ceil(total / 8));
      const reader = new BitReader(offsetView(bytes));
      let left = 8 * bytes.length;
      for (const { value, width } of fields) {
        expect(reader.left).toBe(left);
        expect(reader.read(width)).toBe(value);
        left -= width;
      }
      reader.expectEnd();
    }),
  );
});

test('BitWriter packs the most significant bit first and fills up with zeros', () => {
  const writer = new BitWriter();
  writer.write(0b1, 1);
  writer.write(0b0110, 4);
  writer.write(0b1_1111_0000, 9);
  expect([...writer.finish()]).toEqual([0b1011_0111, 0b1100_0000]);
});

test('BitWriter writes the lowest bits of a value', () => {
  const writer = new BitWriter();
  writer.write(0x1ff, 8);
  writer.write(-1, 4);
  expect([...writer.finish()]).toEqual([0xff, 0xf0]);
});

test('BitReader refuses to read past the end', async () => {
  const reader = new BitReader(new Uint8Array(2));
  reader.read(15);
  expect(await codeOf(() => reader.read(2))).toBe('corrupt-payload');
  expect(reader.read(1)).toBe(0);
  expect(await codeOf(() => reader.read(1))).toBe('corrupt-payload');
  expect(reader.read(0)).toBe(0);
});

test('BitReader reads on behind 2^32 bits', () => {
  // Zero pages that are only read take no memory.
  const bytes = new Uint8Array(2 ** 29 + 2);
  bytes.set([0xab, 0xcd], 2 ** 29);
  const reader = new BitReader(bytes);
  expect(reader.left).toBe(2 ** 32 + 16);
  for (let i = 0; i < 2 ** 29 / 3 - 1; i++) reader.read(24);
  const ahead = reader.left - 16;
  expect(reader.read(ahead)).toBe(0);
  expect(reader.read(8)).toBe(0xab);
  expect(reader.read(8)).toBe(0xcd);
});

test('BitReader.expectEnd() refuses a byte that is left and fill bits that are not zero', async () => {
  const whole = new BitReader(Uint8Array.of(0x80, 0));
  whole.read(8);
  expect(await codeOf(() => whole.expectEnd())).toBe('corrupt-payload');
  const fill = new BitReader(Uint8Array.of(0b1010_0001));
  fill.read(3);
  expect(await codeOf(() => fill.expectEnd())).toBe('corrupt-payload');
});

test('FieldReader gives back what FieldWriter wrote, little-endian, and the rest', () => {
  const bytes = new FieldWriter().uint8(0xab).uint32(0x89abcdef).float32(-1.5).finish(Uint8Array.of(1, 2));
  expect([...bytes]).toEqual([0xab, 0xef, 0xcd, 0xab, 0x89, 0, 0, 0xc0, 0xbf, 1, 2]);
  const fields = new FieldReader(offsetView(bytes, 3));
  expect([fields.uint8(), fields.uint32(), fields.float32()]).toEqual([0xab, 0x89abcdef, -1.5]);
  expect([...fields.borrowRest()]).toEqual([1, 2]);
});

test('FieldReader refuses to read past the end', async () => {
  const fields = new FieldReader(Uint8Array.of(1, 2, 3));
  expect(await codeOf(() => fields.uint32())).toBe('corrupt-payload');
  fields.uint8();
  fields.uint8();
  fields.uint8();
  expect(await codeOf(() => fields.uint8())).toBe('corrupt-payload');
});
