import { describe, expect, test } from 'vitest';
import { decodePayload, MAX_BLOCK, MAX_BUCKETS } from '../../src/payload/index.js';
import { codeOf, concat } from '../support.js';
import { fields, forge, headerOf } from './forge.js';

/** Places in the directory of the small base: float32 [6], float16 [2, 5], uint8 [7]. */
const [FLOAT32, FLOAT16, UINT8] = [0, 1, 2];
const [SPARSE, HASH, DENSE] = [1, 2, 3];

interface Case {
  readonly kind: number | undefined;
  readonly tensors: readonly (number | undefined)[];
  readonly record: Uint8Array;
}

async function decodeRecord({ kind, tensors, record }: Case) {
  return decodePayload(await forge(await headerOf({ ops: [[kind, record.length, ...tensors]] }), [record]));
}

const sparse = (
  head: { count?: number; bits?: number; rice?: number; scale?: number },
  body: number[],
  on = FLOAT32,
): Case => {
  const { count = 1, bits = 1, rice = 0, scale = 1 } = head;
  const record = concat(fields(['u32', count], ['u8', bits], ['u8', rice], ['f32', scale]), body);
  return { kind: SPARSE, tensors: [on], record };
};

const dense = (head: { bits?: number; scale?: number }, body: number[], on = FLOAT32): Case => {
  const { bits = 8, scale = 1 } = head;
  return { kind: DENSE, tensors: [on], record: concat(fields(['u8', bits], ['f32', scale]), body) };
};

interface HashHead {
  block?: number;
  count?: number;
  coding?: number;
  scales?: number[];
}

const hash = (head: HashHead, body: number[], tensors = [FLOAT32]): Case => {
  const { block = 1, count = 1, coding = 2, scales = [1] } = head;
  const scaleFields = scales.map((scale) => ['f32', scale] as const);
  const record = fields(['u32', 0], ['u32', block], ['u32', count], ['u8', coding], ...scaleFields);
  return { kind: HASH, tensors, record: concat(record, body) };
};

describe('decodePayload() reads a record of', () => {
  const accepted: readonly [string, Case][] = [
    ['one changed weight', sparse({}, [0])],
    ['six changed weights of six', sparse({ count: 6 }, [0, 0])],
    ['the largest scale', sparse({ scale: 2 ** 96 }, [0])],
    ['the least scale', dense({ scale: 2 ** -149 }, [0, 0, 0, 0, 0, 0])],
    ['the largest scale of integers', sparse({ scale: 2 ** 24 - 1 }, [0], UINT8)],
    ['one bucket for blocks of 1,024', hash({ block: MAX_BLOCK }, [0])],
    ['sign buckets on integers', hash({ scales: [3] }, [0], [UINT8])],
  ];
  test.each(accepted)('%s', async (_, record) => {
    expect((await decodeRecord(record)).diff.ops).toHaveLength(1);
  });
});

describe('decodePayload() refuses as corrupt-payload a record of', () => {
  const six = [0, 0, 0, 0, 0, 0];
  const refused: readonly [string, Case][] = [
    ['no bytes', { kind: SPARSE, tensors: [0], record: new Uint8Array() }],
    ['fixed fields cut off', { kind: HASH, tensors: [0], record: new Uint8Array(12) }],
    ['no changed weights', sparse({ count: 0 }, [])],
    ['more changed weights than elements', sparse({ count: 7 }, [0, 0])],
    ['2^32 - 1 changed weights', sparse({ count: 0xffffffff }, [0])],
    ['sparse levels of no bits', sparse({ bits: 0 }, [0])],
    ['sparse levels of 9 bits', sparse({ bits: 9 }, [0, 0])],
    ['a Rice parameter of 25', sparse({ rice: 25 }, [0, 0, 0, 0])],
    ['a position behind the last element', sparse({}, [0b1111_1100])],
    ['a position beyond 2^32', sparse({ rice: 24 }, [0xff, 0xff, 0, 0, 0, 0])],
    ['a second position behind the last element', sparse({ count: 2 }, [0b1111_1000, 0])],
    ['a gap that never ends', sparse({}, [0xff])],
    ['too few bits for its count', sparse({ count: 6, bits: 8 }, six)],
    ['a sparse byte left over', sparse({}, [0, 0])],
    ['fill bits that are not zero', sparse({}, [0b0000_0001])],
    ['a scale of 0', sparse({ scale: 0 }, [0])],
    ['a scale of -0', sparse({ scale: -0 }, [0])],
    ['a negative scale', dense({ scale: -1 }, six)],
    ['a scale that is NaN', dense({ scale: Number.NaN }, six)],
    ['an infinite scale', dense({ scale: Number.POSITIVE_INFINITY }, six)],
    ['a scale above 2^96', hash({ scales: [2 ** 97] }, [0])],
    ['a scale of 0.5 on integers', sparse({ scale: 0.5 }, [0], UINT8)],
    ['a scale of 2^24 on integers', hash({ scales: [2 ** 24] }, [0], [UINT8])],
    ['dense levels of 1 bit', dense({ bits: 1 }, [0])],
    ['dense levels of 9 bits', dense({ bits: 9 }, [...six, 0])],
    ['a dense byte too few', dense({}, six.slice(1))],
    ['a dense byte too many', dense({}, [...six, 0])],
    ['a dense level out of range', dense({}, [0, 0, 255, 0, 0, 0])],
    ['dense fill bits that are not zero', dense({ bits: 3 }, [0, 0, 1])],
    ['dense levels for another tensor', dense({}, six, FLOAT16)],
    ['blocks of 0 weights', hash({ block: 0 }, [0])],
    ['no buckets', hash({ count: 0 }, [])],
    ['bucket coding 3', hash({ coding: 3 }, [0])],
    ['fewer scales than tensors', hash({}, [], [FLOAT32, FLOAT16])],
    ['a bucket byte too many', hash({}, [0, 0])],
    ['float buckets on integers', hash({ coding: 0 }, [0, 0, 0, 0], [UINT8])],
    ['a bucket that is NaN', hash({ coding: 0 }, [0, 0, 0xc0, 0x7f])],
    ['an infinite bucket', hash({ coding: 0 }, [0, 0, 0x80, 0x7f])],
    ['a ternary byte out of range', hash({ coding: 1, count: 5 }, [243])],
    ['2^26 buckets in one byte', hash({ count: MAX_BUCKETS }, [0])],
  ];
  test.each(refused)('%s', async (_, record) => {
    expect(await codeOf(() => decodeRecord(record))).toBe('corrupt-payload');
  });
});

describe('decodePayload() refuses as limit-exceeded a record of', () => {
  const beyond: readonly [string, Case][] = [
    ['blocks of 1,025 weights', hash({ block: MAX_BLOCK + 1 }, [0])],
    ['blocks of 2^32 - 1 weights', hash({ block: 0xffffffff }, [0])],
    ['2^26 + 1 buckets', hash({ count: MAX_BUCKETS + 1 }, [0])],
    ['2^32 - 1 buckets', hash({ count: 0xffffffff }, [0])],
  ];
  test.each(beyond)('%s', async (_, record) => {
    expect(await codeOf(() => decodeRecord(record))).toBe('limit-exceeded');
  });
});
