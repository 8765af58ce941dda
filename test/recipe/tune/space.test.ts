import { describe, expect, test } from 'vitest';
import { applyRules } from '../../../src/recipe/tune/rules.js';
import {
  defaultOf,
  featuresOf,
  isOf,
  keyOf,
  listAll,
  neighbours,
  type Space,
  sample,
} from '../../../src/recipe/tune/space.js';
import { createRandom } from '../../../src/train/random.js';

const space: Space = {
  choices: [
    { name: 'kind', values: ['hash', 'sparse'] },
    { name: 'epochs', values: [1, 2] },
    { name: 'block', values: [8, 2, 4], when: { name: 'kind', values: ['hash'] } },
    { name: 'bits', values: [3, 2], when: { name: 'kind', values: ['sparse'] } },
  ],
};

test('listAll() lists each configuration once, with the choices that exist in it, or gives up', () => {
  const all = listAll(space, 100) ?? [];
  expect(all).toHaveLength(2 * 3 + 2 * 2);
  expect(new Set(all.map(keyOf)).size).toBe(all.length);
  for (const of of all) expect(Object.keys(of)).toContain(of.kind === 'hash' ? 'block' : 'bits');
  expect(listAll(space, 9)).toBeUndefined();
});

test('defaultOf() takes the first values, sample() any', () => {
  expect(defaultOf(space)).toEqual({ kind: 'hash', epochs: 1, block: 8 });
  const random = createRandom(3);
  const drawn = new Set(Array.from({ length: 300 }, () => keyOf(sample(space, random))));
  expect(drawn.size).toBe(10);
});

test('isOf() tells configurations of a space from those of a wider or another one', () => {
  for (const of of listAll(space, 100) ?? []) expect(isOf(space, of)).toBe(true);
  const narrow = applyRules(space, ['block!=4', 'kind=hash']);
  expect(isOf(narrow, { kind: 'hash', epochs: 1, block: 2 })).toBe(true);
  expect(isOf(narrow, { kind: 'hash', epochs: 1, block: 4 })).toBe(false);
  expect(isOf(narrow, { kind: 'sparse', epochs: 1, bits: 3 })).toBe(false);
  expect(isOf(space, { kind: 'hash', epochs: 1 })).toBe(false);
  expect(isOf(space, { kind: 'hash', epochs: 1, block: 2, size: 1 })).toBe(false);
});

test('neighbours() differ in one value, and complete what depends on it', () => {
  const near = neighbours(space, { kind: 'hash', epochs: 2, block: 4 });
  expect(near).toEqual([
    { kind: 'sparse', epochs: 2, bits: 3 },
    { kind: 'hash', epochs: 1, block: 4 },
    { kind: 'hash', epochs: 2, block: 8 },
    { kind: 'hash', epochs: 2, block: 2 },
  ]);
});

test('featuresOf() has as many numbers for every configuration, and tells all of them apart', () => {
  const all = listAll(space, 100) ?? [];
  const rows = all.map((of) => featuresOf(space, of));
  expect(new Set(rows.map((row) => row.length))).toEqual(new Set([5]));
  expect(new Set(rows.map(String)).size).toBe(all.length);
});

describe('applyRules()', () => {
  const valuesOf = (of: Space) => Object.fromEntries(of.choices.map(({ name, values }) => [name, values]));

  test('fixes, excludes, and leaves out choices that can no longer exist', () => {
    expect(valuesOf(applyRules(space, ['kind=hash', 'block!=8']))).toEqual({
      kind: ['hash'],
      epochs: [1, 2],
      block: [2, 4],
    });
    expect(valuesOf(applyRules(space, ['block = 2, 4']))).toMatchObject({ block: [2, 4] });
  });

  test.each([
    ['kind', /NAME=VALUE/],
    ['blok=2', /block/],
    ['block=3', /8, 2, 4/],
    ['block!=8,2,4', /nothing to choose/],
  ])('refuses %s', (rule, words) => {
    expect(() => applyRules(space, [rule])).toThrow(words);
    expect(() => applyRules(space, [rule])).toThrow(RangeError);
  });
});
