import { canonicalize } from '@tufjs/canonical-json';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson, type Json } from '../../src/release/json.js';

const text = (value: Json) => new TextDecoder().decode(canonicalJson(value));

test.each<[Json, string]>([
  [{}, '{}'],
  [[], '[]'],
  [null, 'null'],
  [{ b: [1, -2, true, false, null], a: 'x' }, '{"a":"x","b":[1,-2,true,false,null]}'],
  [{ 'a"b': '\\', 'a\nb': '\t' }, '{"a\nb":"\t","a\\"b":"\\\\"}'],
  [{ '': 0, ' ': 0, A: 0, a: 0, aa: 0, é: 0 }, '{"":0," ":0,"A":0,"a":0,"aa":0,"é":0}'],
  [{ '10': 1, '9': 2, '1': 3 }, '{"1":3,"10":1,"9":2}'],
  [-0, '0'],
  [9_007_199_254_740_991, '9007199254740991'],
  ['\u2028</script>\u0000', '"\u2028</script>\u0000"'],
])('canonicalJson() writes %j as OLPC canonical JSON', (value, expected) => {
  expect(text(value)).toBe(expected);
});

test('canonicalJson() sorts names by code points, as the reference implementation in Python does', () => {
  expect(text({ '\u{10000}': 1, '\uffff': 2, '\ud7ff': 3 })).toBe('{"\ud7ff":3,"\uffff":2,"\u{10000}":1}');
});

test.each([0.5, 2 ** 53, 1e21, Number.NaN, Infinity, '\ud800', undefined, () => 1, 1n])(
  'canonicalJson() refuses %s',
  (value) => {
    expect(() => canonicalJson({ a: [value as Json] })).toThrow(TypeError);
  },
);

test('canonicalJson() writes what @tufjs/canonical-json writes', () => {
  const names = fc.string({ unit: 'grapheme-ascii', maxLength: 5 });
  const { tree } = fc.letrec<{ tree: Json }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      fc.string({ unit: 'grapheme' }),
      fc.maxSafeInteger(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(names, tie('tree'), { maxKeys: 5, noNullPrototype: true }),
    ),
  }));
  fc.assert(
    fc.property(tree, (value) => {
      expect(text(value)).toBe(canonicalize(value));
    }),
    { numRuns: 300, seed: 7 },
  );
});
