import { describe, expect, test } from 'vitest';
import { RecordForge } from '../../scripts/forge-record.js';
import { decodePayload } from '../../src/payload/decode.js';
import { MAX_BLOCK, MAX_BUCKETS } from '../../src/payload/limits.js';
import { codeOf } from '../support.js';
import { forge, headerOf } from './forge.js';
import { smallBase } from './samples.js';

/** The tensors of the small base: float32 [6], float16 [2, 5], uint8 [7]. */
const [FLOAT32, FLOAT16, UINT8] = smallBase().tensors.map(({ name }) => name) as [string, string, string];
const [SPARSE, HASH, DENSE] = [1, 2, 3];

interface Case {
  readonly kind: number | undefined;
  readonly record: Uint8Array;
}

async function decodeRecord({ kind, record }: Case) {
  const payload = await forge(await headerOf({ kinds: [kind] }), [record]);
  return decodePayload(payload, smallBase().tensors);
}

const start = (...names: string[]) => new RecordForge(smallBase().tensors).tensors(...names);
const six = { rice: 1, elements: 6 };
const seven = { rice: 1, elements: 7 };

const sparse = (record: RecordForge): Case => ({ kind: SPARSE, record: record.finish() });
const dense = (record: RecordForge): Case => ({ kind: DENSE, record: record.finish() });
const hash = (record: RecordForge): Case => ({ kind: HASH, record: record.finish() });

/** One changed weight of the first tensor, without a map. */
const first = (scale: number, name = FLOAT32, bounds = six) =>
  start(name)
    .head(name, { scale, rice: 1 })
    .position(0, 0, bounds)
    .level(1)
    .position(1, bounds.elements, bounds);
const one = (name: string) => start(name).placement({ count: 1 }).scale(name, 3).raw(1, 0).levels(1);

describe('decodePayload() reads a record of', () => {
  const accepted: readonly [string, Case][] = [
    ['one changed weight', sparse(first(1))],
    ['the largest scale', sparse(first(2 ** 96))],
    [
      'the least scale',
      dense(
        start(FLOAT32)
          .scale(FLOAT32, 2 ** -133)
          .levels(0, 0, 0, 0, 0, 0),
      ),
    ],
    ['the largest scale of integers', sparse(first(2 ** 24 - 2 ** 16, UINT8, seven))],
    ['a dense op on integers', dense(start(UINT8).scale(UINT8, 3).levels(0, 127, -127, 1, -1, 15, 16))],
    ['one bucket', hash(one(FLOAT32))],
    ['buckets on integers', hash(one(UINT8))],
    [
      'blocks of 1,024',
      hash(start(FLOAT32).placement({ block: MAX_BLOCK }).scale(FLOAT32, 1).raw(1, 0).levels(1)),
    ],
  ];
  test.each(accepted)('%s', async (_, record) => {
    expect((await decodeRecord(record)).diff.ops).toHaveLength(1);
  });
});

const scaled = (name: string, scale: number) => dense(start(name).scale(name, scale));

describe('decodePayload() refuses as corrupt-payload a record of', () => {
  const refused: readonly [string, Case][] = [
    ['no bytes', { kind: SPARSE, record: new Uint8Array() }],
    ['a first byte that no encoder writes', { kind: SPARSE, record: Uint8Array.of(0x40) }],
    ['no tensor', sparse(start())],
    ['no changed weight', sparse(start(FLOAT32).head(FLOAT32, { rice: 1 }).position(0, 6, six))],
    ['no changed line', sparse(start(FLOAT16).head(FLOAT16, { view: 3 }).map(2, 5))],
    [
      'a position behind the last',
      sparse(start(UINT8).head(UINT8, { rice: 1 }).position(0, 7, seven).raw(1, 1)),
    ],
    [
      'a level of 32,768',
      sparse(start(FLOAT32).head(FLOAT32, { rice: 1 }).position(0, 0, six).level(32_768)),
    ],
    ['a view that a vector does not have', sparse(start(FLOAT32).head(FLOAT32, { view: 3 }))],
    ['a view that a matrix does not have', sparse(start(FLOAT16).head(FLOAT16, { view: 5 }))],
    ['view 2^32 - 1', sparse(start(FLOAT16).head(FLOAT16, { view: 2 ** 32 - 1 }))],
    [
      'view 2^32 + 1, which is view 1 in 32 bits',
      sparse(start(FLOAT16).head(FLOAT16, { view: 2 ** 32 + 1 })),
    ],
    ['more than it says', { kind: SPARSE, record: Uint8Array.of(...first(1).finish(), 1, 2, 3, 4, 5) }],
    ['a zero at the end', { kind: SPARSE, record: Uint8Array.of(...first(1).finish(), 0) }],
    ['a scale of 0', scaled(FLOAT32, 0)],
    ['a scale of -0', scaled(FLOAT32, -0)],
    ['a negative scale', scaled(FLOAT32, -1)],
    ['a scale that is NaN', scaled(FLOAT32, Number.NaN)],
    ['an infinite scale', scaled(FLOAT32, Number.POSITIVE_INFINITY)],
    ['a scale above 2^96', scaled(FLOAT32, 2 ** 97)],
    ['a scale of 0.5 on integers', scaled(UINT8, 0.5)],
    ['a scale of 2^24 on integers', scaled(UINT8, 2 ** 24)],
    ['a dense level out of range', dense(start(FLOAT32).scale(FLOAT32, 1).levels(0, 0, 128))],
    [
      'a bucket out of range',
      hash(start(FLOAT32).placement({ count: 2 }).scale(FLOAT32, 1).raw(1, 0).levels(128)),
    ],
    ['more buckets than weights', hash(start(FLOAT32).placement({ count: 7 }))],
    ['a block of 2^32 + 1 weights', hash(start(FLOAT32).placementBeyond())],
    [
      'float buckets on integers',
      hash(start(UINT8).placement().scale(UINT8, 1).raw(1, 1).raw(16, 0).raw(16, 0)),
    ],
    [
      'a bucket that is NaN',
      hash(start(FLOAT32).placement().scale(FLOAT32, 1).raw(1, 1).raw(16, 0x7fc0).raw(16, 0)),
    ],
    [
      'an infinite bucket',
      hash(start(FLOAT32).placement().scale(FLOAT32, 1).raw(1, 1).raw(16, 0xff80).raw(16, 0)),
    ],
  ];
  test.each(refused)('%s', async (_, record) => {
    expect(await codeOf(() => decodeRecord(record))).toBe('corrupt-payload');
  });
});

describe('decodePayload() refuses as limit-exceeded a record of', () => {
  const beyond: readonly [string, Case][] = [
    ['blocks of 1,025 weights', hash(start(FLOAT32).placement({ block: MAX_BLOCK + 1 }))],
    ['blocks of 2^32 weights', hash(start(FLOAT32).placement({ block: 2 ** 32 }))],
    ['2^26 + 1 buckets', hash(start(FLOAT32).placement({ count: MAX_BUCKETS + 1 }))],
    ['2^32 buckets', hash(start(FLOAT32).placement({ count: 2 ** 32 }))],
  ];
  test.each(beyond)('%s', async (_, record) => {
    expect(await codeOf(() => decodeRecord(record))).toBe('limit-exceeded');
  });
});
