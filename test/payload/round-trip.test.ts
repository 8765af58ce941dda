import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import xxhash from 'xxhash-wasm';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryStore } from '../../src/model/store.js';
import { isCleanText } from '../../src/model/tensor.js';
import { xxh64 } from '../../src/payload/checksum.js';
import { decodePayload } from '../../src/payload/decode.js';
import type { Diff, Meta, Op } from '../../src/payload/diff.js';
import { encodePayload, payloadBytes } from '../../src/payload/encode.js';
import { layoutOf } from '../../src/payload/header.js';
import { offsetView, pack, sampleModel, seededBytes } from '../support.js';
import { modelAndDiff, SMALL_DIFFS, smallBase } from './samples.js';

const metaKey = fc.stringMatching(/^[a-z][a-zA-Z0-9-]{0,31}$/);
const metaText = fc.string({ unit: 'binary', maxLength: 80 }).filter(isCleanText);
const meta: fc.Arbitrary<Meta> = fc
  .dictionary(metaKey, fc.oneof(metaText, fc.nat({ max: 0xffffffff })), { maxKeys: 20 })
  .map((entries) => ({ ...entries }));

test('decodePayload() returns header and diff of any payload', async () => {
  await fc.assert(
    fc.asyncProperty(modelAndDiff, meta, async ({ base, diff }, meta) => {
      const { payload, next } = await pack(base, diff, meta);
      const { header, diff: decoded } = await decodePayload(payload, base.tensors);
      expect(decoded).toEqual(diff);
      expect(header.meta).toEqual(meta);
      expect(header.base).toEqual(await fingerprint(openMemoryStore(base)));
      expect(header.next).toEqual(await fingerprint(openMemoryStore(next)));
      const isUnchanged = header.base === header.next && diff.ops.length + Object.keys(meta).length === 0;
      const layout = await layoutOf([...base.tensors].reverse());
      expect(header.layout).toBe(isUnchanged ? undefined : layout);
    }),
  );
});

test('payloadBytes() foretells the size of any payload', async () => {
  await fc.assert(
    fc.asyncProperty(modelAndDiff, meta, async ({ base, diff }, meta) => {
      const { payload } = await pack(base, diff, meta);
      const empty = (await pack(base, { ops: [] }, meta)).payload.length;
      expect(payloadBytes(base.tensors, [], { meta })).toBe(empty);
      expect(payloadBytes(base.tensors, diff.ops, { meta })).toBe(payload.length);
    }),
  );
});

test('payloadBytes() foretells sizes where the heads of records grow', async () => {
  for (const length of [200, 250, 60_000, 65_000, 70_000]) {
    const base = {
      tensors: [{ name: 'a', dtype: 'int8' as const, shape: [length], bytes: new Uint8Array(length) }],
    };
    // Noise: a byte a level, so that the record is about as long as the tensor.
    const levels = Int8Array.from(seededBytes(3, length), (byte) => Math.max(byte - 128, -127));
    const op = { kind: 'dense' as const, tensor: 'a', scale: 1, levels };
    const { payload } = await pack(base, { ops: [op] });
    expect(payloadBytes(base.tensors, [op])).toBe(payload.length);
  }
});

test('encodePayload() gives the same bytes for the same input, in whatever order the tensors come', async () => {
  const header = { base: '00'.repeat(16), next: '00'.repeat(16), meta: { note: 'a' } };
  const { tensors } = sampleModel();
  const first = await encodePayload({ ...header, tensors }, { ops: [] });
  const second = await encodePayload({ ...header, tensors: [...tensors].reverse() }, { ops: [] });
  expect(second).toEqual(first);
});

test('encodePayload() gives bytes that its next call leaves alone', async () => {
  const { payload } = await pack(smallBase(), SMALL_DIFFS.several as Diff);
  const before = payload.slice();
  await pack(smallBase(), SMALL_DIFFS.sparse as Diff);
  expect(payload).toEqual(before);
});

describe('encodePayload() refuses', () => {
  const header = async () => {
    const base = await fingerprint(openMemoryStore(smallBase()));
    return { base, next: base, tensors: smallBase().tensors, meta: {} };
  };
  const [hash] = (SMALL_DIFFS['hash levels'] as Diff).ops as [Extract<Op, { kind: 'hash' }>];
  const [sparse] = (SMALL_DIFFS.sparse as Diff).ops as [Extract<Op, { kind: 'sparse' }>];

  test('an op on a tensor that the header does not have', async () => {
    const diff = { ops: [{ ...sparse, tensor: 'c' }] };
    await expect(encodePayload(await header(), diff)).rejects.toThrow(RangeError);
  });
  test('a hash op with its tensors out of order', async () => {
    const diff = { ops: [{ ...hash, tensors: [...hash.tensors].reverse() }] };
    await expect(encodePayload(await header(), diff)).rejects.toThrow(RangeError);
  });
  test.each(['\ufeffnote', 'note\ufeff', 'note\ud800'])(
    'metadata that is no clean text: %j',
    async (note) => {
      const run = encodePayload({ ...(await header()), meta: { note } }, { ops: [] });
      await expect(run).rejects.toThrow(RangeError);
    },
  );
  test.each([-1, 0.5, Number.NaN, 2 ** 32])('metadata that is the number %d', async (count) => {
    const run = encodePayload({ ...(await header()), meta: { count } }, { ops: [] });
    await expect(run).rejects.toThrow(RangeError);
  });
});

test('xxh64() gives the digests of the xxHash specification, whatever the window', async () => {
  const digest = async (bytes: Uint8Array) => Buffer.from(await xxh64(bytes)).toString('hex');
  expect(await digest(new Uint8Array())).toBe('ef46db3751d8e999');
  expect(await digest(new TextEncoder().encode('a'))).toBe('d24ec4f1a98c6e5b');
  expect(await digest(new TextEncoder().encode('abc'))).toBe('44bc2cf5ad770999');
  expect(await digest(Uint8Array.from({ length: 40 }, (_, i) => i))).toBe('f5da40f1b11741e9');
  const long = seededBytes(1, 2 ** 20 + 5);
  const { h64Raw } = await xxhash();
  expect(await digest(offsetView(long))).toBe(h64Raw(long).toString(16).padStart(16, '0'));
});
