import { describe, expect, test } from 'vitest';
import { decodePayload } from '../../src/payload/index.js';
import { MAX_HEADER_BYTES, MAX_OPS, MAX_PAYLOAD_BYTES } from '../../src/payload/limits.js';
import { codeOf, concat, errorOf, offsetView, pack, seal } from '../support.js';
import { directory, fields, forge, forgeBytes, headerOf, packValue } from './forge.js';
import { SMALL_DIFFS, smallBase } from './samples.js';

const decodeCode = (payload: Uint8Array) => codeOf(() => decodePayload(payload));

test('decodePayload() reads a forged payload without ops: the helper forges well', async () => {
  const payload = await forge(await headerOf());
  const { header, diff } = await decodePayload(payload);
  expect(header.tensors).toEqual(
    smallBase().tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
  );
  expect(diff.ops).toEqual([]);
  expect(payload).toEqual((await pack(smallBase(), { ops: [] })).payload);
});

describe('decodePayload() refuses as not-a-payload', () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const other: readonly [string, Uint8Array][] = [
    ['nothing', new Uint8Array()],
    ['a JSON file', bytes('{"format":"layers-model"}')],
    ['a zip file', bytes('PK\x03\x04 and so on, for long enough')],
    ['the magic without its length byte', bytes('ndiff0 and so on')],
    ['the magic cut before its version', bytes('\xa6ndiff').subarray(1)],
    ['zeros', new Uint8Array(100)],
  ];
  test.each(other)('%s', async (_, payload) => expect(await decodeCode(payload)).toBe('not-a-payload'));

  test('the first bytes of a payload, up to those that name its version', async () => {
    const payload = await forge(await headerOf());
    for (let end = 0; end < 7; end++)
      expect(await decodeCode(payload.subarray(0, end))).toBe('not-a-payload');
    expect(await decodeCode(payload.subarray(0, 7))).toBe('corrupt-payload');
  });
});

test('decodePayload() refuses another version as such, whatever follows it', async () => {
  expect(await decodeCode(await forge(await headerOf(), [], 'ndiff1'))).toBe('unsupported-version');
  expect(await decodeCode(concat(packValue('ndiff9'), [1, 2, 3]))).toBe('unsupported-version');
});

test('decodePayload() refuses more bytes than a payload may have before it reads one', async () => {
  const huge = { length: MAX_PAYLOAD_BYTES + 1 } as Uint8Array;
  expect(await decodeCode(huge)).toBe('limit-exceeded');
});

test('decodePayload() gives byte arrays of its own', async () => {
  const { payload } = await pack(smallBase(), SMALL_DIFFS.sparse as { ops: [] });
  const { header, diff } = await decodePayload(payload);
  const before = structuredClone({ header, diff });
  payload.fill(0);
  expect({ header, diff }).toEqual(before);
});

test('decodePayload() reads a payload that is a view with an offset', async () => {
  for (const diff of Object.values(SMALL_DIFFS)) {
    const { payload } = await pack(smallBase(), diff);
    expect((await decodePayload(offsetView(payload, 3))).diff).toEqual(diff);
  }
});

describe('decodePayload() refuses as corrupt-payload', () => {
  test('bytes behind the checksum', async () => {
    expect(await decodeCode(concat(await forge(await headerOf()), [0]))).toBe('corrupt-payload');
  });
  test('bytes before the checksum', async () => {
    expect(await decodeCode(await forgeBytes(packValue(await headerOf()), Uint8Array.of(0)))).toBe(
      'corrupt-payload',
    );
  });
  test('a record that the header does not name', async () => {
    expect(await decodeCode(await forge(await headerOf(), [new Uint8Array(3)]))).toBe('corrupt-payload');
  });
  test('a record that is missing', async () => {
    expect(await decodeCode(await forge(await headerOf({ ops: [[3, 11, 0]] })))).toBe('corrupt-payload');
  });
  test('a record of another length than the header says', async () => {
    const record = concat(fields(['u8', 8], ['f32', 1]), new Uint8Array(6));
    expect(await decodeCode(await forge(await headerOf({ ops: [[3, 10, 0]] }), [record]))).toBe(
      'corrupt-payload',
    );
  });
  test('a list where a record belongs, without reading it', async () => {
    const header = packValue(await headerOf({ ops: [[3, 11, 0]] }));
    const error = await errorOf(async () =>
      decodePayload(await forgeBytes(header, Uint8Array.of(0xdd, 255, 255, 255, 255))),
    );
    expect(error.code).toBe('corrupt-payload');
    expect(error.message).toContain('binary data');
  });
  test('a header of more bytes than the limit', async () => {
    const meta = { note: 'a'.repeat(60_000) };
    const tensors = Array.from({ length: MAX_HEADER_BYTES / 1_000 }, () => [0, 'a'.repeat(1_000), 1]);
    expect(await decodeCode(await forge(await headerOf({ meta, tensors })))).toBe('corrupt-payload');
  });
  test('a checksum of another type', async () => {
    const payload = await forge(await headerOf());
    payload[payload.length - 10] = 0xa0;
    expect(await decodeCode(payload)).toBe('corrupt-payload');
  });
  test('a checksum of another length', async () => {
    const payload = await forge(await headerOf());
    payload[payload.length - 9] = 7;
    expect(await decodeCode(payload)).toBe('corrupt-payload');
  });
  test('a text instead of the header', async () => {
    expect(await decodeCode(await forge('header'))).toBe('corrupt-payload');
  });

  const headers: readonly [string, Record<string, unknown>][] = [
    ['a base of 31 bytes', { base: new Uint8Array(31) }],
    ['a base that is a text', { base: 'a'.repeat(32) }],
    ['a next of 33 bytes', { next: new Uint8Array(33) }],
    ['a key too many', { more: 1 }],
    ['a directory that is a map', { tensors: {} }],
    ['a tensor that is a text', { tensors: ['a'] }],
    ['a tensor without a dtype', { tensors: [[0, 'a']] }],
    ['a tensor of dtype 0', { tensors: [[0, 'a', 0]] }],
    ['a tensor of dtype 7', { tensors: [[0, 'a', 7]] }],
    ['a tensor without a name', { tensors: [[0, '', 1]] }],
    ['a tensor with a name that is a number', { tensors: [[0, 1, 1]] }],
    ['a first tensor that shares a prefix', { tensors: [[1, 'a', 1]] }],
    [
      'a prefix longer than the name before',
      {
        tensors: [
          [0, 'a', 1],
          [2, 'b', 1],
        ],
      },
    ],
    [
      'a prefix shorter than what is shared',
      {
        tensors: [
          [0, 'ab', 1],
          [1, 'bc', 1],
        ],
      },
    ],
    [
      'a prefix that counts UTF-16 units',
      {
        tensors: [
          [0, '😀a', 1],
          [3, 'b', 1],
        ],
      },
    ],
    [
      'the same tensor twice',
      {
        tensors: [
          [0, 'a', 1],
          [1, '', 1],
        ],
      },
    ],
    [
      'tensors out of order',
      {
        tensors: [
          [0, 'b', 1],
          [0, 'a', 1],
        ],
      },
    ],
    [
      'tensors in the order of UTF-16 units',
      {
        tensors: [
          [0, '😀', 1],
          [0, '～', 1],
        ],
      },
    ],
    ['a name of 1,025 bytes', { tensors: [[0, 'a'.repeat(1_025), 1]] }],
    ['a tensor of nine dimensions', { tensors: [[0, 'a', 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]] }],
    ['a tensor of 2^32 elements', { tensors: [[0, 'a', 1, 65_536, 65_536]] }],
    ['ops that are a map', { ops: {} }],
    ['an op that is a number', { ops: [1] }],
    ['an op without fields', { ops: [[]] }],
    ['an op of kind 0', { ops: [[0, 1, 0]] }],
    ['an op of kind 4', { ops: [[4, 1, 0]] }],
    ['an op without a tensor', { ops: [[2, 20]] }],
    ['an op on a tensor that does not exist', { ops: [[3, 11, 3]] }],
    ['a sparse op on two tensors', { ops: [[1, 20, 0, 1]] }],
    ['a dense op on two tensors', { ops: [[3, 20, 0, 1]] }],
    ['a hash op with tensors out of order', { ops: [[2, 20, 1, 0]] }],
    ['a hash op with a tensor twice', { ops: [[2, 20, 1, 1]] }],
    ['metadata that is a list', { meta: [] }],
    ['metadata that is binary data', { meta: new Uint8Array() }],
    ['a metadata key with a capital', { meta: { Key: 1 } }],
    ['a metadata key of 33 characters', { meta: { ['k'.repeat(33)]: 1 } }],
    ['an empty metadata key', { meta: { '': 1 } }],
    ['a metadata key of __proto__', { meta: JSON.parse('{"__proto__":1}') }],
    ['a metadata value that is a list', { meta: { key: [] } }],
    ['a metadata value that is a map', { meta: { key: {} } }],
    ['a metadata value that is binary data', { meta: { key: new Uint8Array(1) } }],
  ];
  test.each(headers)('%s', async (_, changed) => {
    expect(await decodeCode(await forge(await headerOf(changed)))).toBe('corrupt-payload');
  });

  test('header keys in another order', async () => {
    const { base, ...rest } = await headerOf();
    expect(await decodeCode(await forge({ ...rest, base }))).toBe('corrupt-payload');
  });
  test('a header without metadata', async () => {
    const { meta: _, ...rest } = await headerOf();
    expect(await decodeCode(await forge(rest))).toBe('corrupt-payload');
  });
  test('a header key twice', async () => {
    const header = packValue(await headerOf());
    header[0] = 0x86;
    expect(await decodeCode(await forgeBytes(header, packValue('meta'), packValue({})))).toBe(
      'corrupt-payload',
    );
  });
});

describe('decodePayload() refuses as limit-exceeded', () => {
  const beyond: readonly [string, Record<string, unknown>][] = [
    [
      '65 entries of metadata',
      { meta: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, 1])) },
    ],
    ['a metadata text of 4,097 bytes', { meta: { key: 'é'.repeat(2_048).concat('a') } }],
    ['2^18 + 1 ops', { ops: Array.from({ length: MAX_OPS + 1 }, () => [3, 0, 0]) }],
  ];
  test.each(beyond)('%s', async (_, changed) => {
    expect(await decodeCode(await forge(await headerOf(changed)))).toBe('limit-exceeded');
  });
});

test('decodePayload() accepts names that differ in the last unit of a surrogate pair', async () => {
  const tensors = [...directory(), [0, '😀', 1], [0, '😁', 1]];
  const { header } = await decodePayload(await forge(await headerOf({ tensors })));
  expect(header.tensors.map(({ name }) => name)).toEqual(['a', 'b/kernel', 'b/重み', '😀', '😁']);
});

test('decodePayload() refuses a sealed magic alone', async () => {
  expect(await decodeCode(await seal(packValue('ndiff0')))).toBe('corrupt-payload');
});
