import { describe, expect, test } from 'vitest';
import type { Tensor, TensorInfo } from '../../src/model/tensor.js';
import { decodePayload } from '../../src/payload/decode.js';
import { layoutOf } from '../../src/payload/header.js';
import { MAX_PAYLOAD_BYTES, MAX_RECORDS } from '../../src/payload/limits.js';
import { openPayload } from '../../src/payload/open-payload.js';
import { codeOf, concat, errorOf, offsetView, pack, seal } from '../support.js';
import { forge, forgeBytes, headerOf, packValue } from './forge.js';
import { SMALL_DIFFS, smallBase } from './samples.js';

const decodeCode = (payload: Uint8Array) => codeOf(() => decodePayload(payload, smallBase().tensors));

test('decodePayload() reads a forged payload without ops: the helper forges well', async () => {
  const payload = await forge(await headerOf());
  const { header, diff } = await decodePayload(payload, smallBase().tensors);
  expect(header.layout).toBe(await layoutOf(smallBase().tensors));
  expect(diff.ops).toEqual([]);
  expect(await forge([(await headerOf())[0]])).toEqual((await pack(smallBase(), { ops: [] })).payload);
});

describe('decodePayload() refuses as not-a-payload', () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const other: readonly [string, Uint8Array][] = [
    ['nothing', new Uint8Array()],
    ['a JSON file', bytes('{"format":"layers-model"}')],
    ['a zip file', bytes('PK\x03\x04 and so on, for long enough')],
    ['the magic without its length byte', bytes('ndiff1 and so on')],
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
  expect(await decodeCode(await forge(await headerOf(), [], 'ndiff0'))).toBe('unsupported-version');
  expect(await decodeCode(concat(packValue('ndiff9'), [1, 2, 3]))).toBe('unsupported-version');
});

test('decodePayload() refuses more bytes than a payload may have before it reads one', async () => {
  const huge = { length: MAX_PAYLOAD_BYTES + 1 } as Uint8Array;
  expect(await decodeCode(huge)).toBe('limit-exceeded');
});

test('decodePayload() returns separate byte arrays', async () => {
  const { payload } = await pack(smallBase(), SMALL_DIFFS.sparse as { ops: [] });
  const { header, diff } = await decodePayload(payload, smallBase().tensors);
  const before = structuredClone({ header, diff });
  payload.fill(0);
  expect({ header, diff }).toEqual(before);
});

test('decodePayload() reads a payload that is a view with an offset', async () => {
  for (const diff of Object.values(SMALL_DIFFS)) {
    const { payload } = await pack(smallBase(), diff);
    expect((await decodePayload(offsetView(payload, 3), smallBase().tensors)).diff).toEqual(diff);
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
    expect(await decodeCode(await forge(await headerOf({ kinds: [3] })))).toBe('corrupt-payload');
  });
  test('a list where a record belongs, without reading it', async () => {
    const header = packValue(await headerOf({ kinds: [3] }));
    const error = await errorOf(async () =>
      openPayload(await forgeBytes(header, Uint8Array.of(0xdd, 255, 255, 255, 255))),
    );
    expect(error.code).toBe('corrupt-payload');
    expect(error.message).toContain('binary data');
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
    ['a base of 15 bytes', { base: new Uint8Array(15) }],
    ['a base of 32 bytes', { base: new Uint8Array(32) }],
    ['a base that is a text', { base: 'a'.repeat(16) }],
    ['a next of 17 bytes', { next: new Uint8Array(17) }],
    ['a layout that is binary data', { layout: new Uint8Array(4) }],
    ['a layout that is a text', { layout: '1' }],
    ['a value too many', { more: 1 }],
    ['a value too few', { meta: undefined }],
    ['kinds that are a map', { kinds: {} }],
    ['kinds that are a number', { kinds: 1 }],
    ['a kind that is a list', { kinds: [[1]] }],
    ['a kind that is a text', { kinds: ['sparse'] }],
    ['kind 0', { kinds: [0] }],
    ['kind 4', { kinds: [4] }],
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

  test('a header that is a map', async () => {
    expect(await decodeCode(await forge({ ...(await headerOf()) }))).toBe('corrupt-payload');
  });
  test('header values in another order', async () => {
    const [base, next, layout, kinds, meta] = await headerOf();
    expect(await decodeCode(await forge([base, next, kinds, layout, meta]))).toBe('corrupt-payload');
  });
  test('a metadata key twice', async () => {
    const header = packValue(await headerOf());
    const twice = [packValue('k'), packValue(1), packValue('k'), packValue(2)];
    const bytes = await forgeBytes(header.subarray(0, -1), Uint8Array.of(0x82), ...twice);
    expect(await decodeCode(bytes)).toBe('corrupt-payload');
  });
});

describe('decodePayload() refuses as limit-exceeded', () => {
  const beyond: readonly [string, Record<string, unknown>][] = [
    [
      '65 entries of metadata',
      { meta: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, 1])) },
    ],
    ['a metadata text of 4,097 bytes', { meta: { key: 'é'.repeat(2_048).concat('a') } }],
    ['65,535 records', { kinds: Array.from({ length: 65_535 }, () => 3) }],
    ['257 records', { kinds: Array.from({ length: MAX_RECORDS + 1 }, () => 3) }],
  ];
  test.each(beyond)('%s', async (_, changed) => {
    expect(await decodeCode(await forge(await headerOf(changed)))).toBe('limit-exceeded');
  });
});

describe('decodePayload() refuses as wrong-layout tensors', () => {
  const { tensors } = smallBase();
  const [first, ...rest] = tensors as [Tensor, ...Tensor[]];
  const others: readonly [string, TensorInfo[]][] = [
    ['of which one is missing', rest],
    ['of which one is new', [...tensors, { name: 'z', dtype: 'int8', shape: [0] }]],
    ['of which one has another name', [{ ...first, name: 'A' }, ...rest]],
    ['of which one has another dtype', [{ ...first, dtype: 'int32' }, ...rest]],
    ['of which one has another shape', [{ ...first, shape: [2, 3] }, ...rest]],
    ['of which one has another rank', [{ ...first, shape: [6, 1] }, ...rest]],
  ];
  test.each(others)('%s', async (_, infos) => {
    const payload = await forge(await headerOf());
    const error = await errorOf(() => decodePayload(payload, infos));
    expect(error.code).toBe('wrong-layout');
    expect(Object.keys(error.facts)).toEqual(['expected', 'found']);
  });
});

test('decodePayload() takes tensors in any order', async () => {
  const { payload } = await pack(smallBase(), SMALL_DIFFS.several as { ops: [] });
  const reversed = [...smallBase().tensors].reverse();
  expect((await decodePayload(payload, reversed)).diff).toEqual(SMALL_DIFFS.several);
});

test('decodePayload() refuses a sealed magic alone', async () => {
  expect(await decodeCode(await seal(packValue('ndiff1')))).toBe('corrupt-payload');
});
