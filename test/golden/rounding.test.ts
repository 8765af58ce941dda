import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROUNDED_PRODUCT, ROUNDING } from '../../scripts/golden-rounding.js';

type Facts = { next: { tensors: { name: string; bytes: string }[] } };
const facts: Facts = JSON.parse(
  readFileSync(join(import.meta.dirname, 'accept', 'rounding', 'facts.json'), 'utf8'),
);

test.each(Object.entries(ROUNDING))('the golden results of %s are those reckoned by hand', (dtype, cases) => {
  const bytes = Buffer.from(facts.next.tensors.find(({ name }) => name === dtype)?.bytes ?? '', 'hex');
  const width = bytes.length / cases.length;
  const found = cases.map(({ why }, i) => [why, bytes.readUIntLE(i * width, width).toString(16)]);
  expect(found).toEqual(cases.map(({ why, result }) => [why, result.toString(16)]));
});

test('the golden result of a product that is rounded first is the one reckoned by hand', () => {
  const { bytes } = facts.next.tensors.find(({ name }) => name === 'product') as { bytes: string };
  expect(Buffer.from(bytes, 'hex').readUInt32LE()).toBe(ROUNDED_PRODUCT.result);
});
