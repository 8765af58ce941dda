import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecordForge } from '../../scripts/forge-record.js';
import { canonicalOrder, elementCount, wordsOf } from '../../src/model/tensor.js';
import { type ByteSource, sourceOf } from '../../src/payload/byte-source.js';
import { DiffReader, decodePayload } from '../../src/payload/decode.js';
import type { ExactOp, Op, SetOp } from '../../src/payload/diff.js';
import { encodeRecords } from '../../src/payload/encode-records.js';
import { openPayload } from '../../src/payload/open-payload.js';
import { patchRange } from '../../src/payload/patch.js';
import { cloneModel, codeOf, pack, patchModel } from '../support.js';
import { modelAndDiff, SMALL_DIFFS, smallBase } from './samples.js';

test('DiffReader gives in runs what decodePayload() gives at once, whatever the runs', async () => {
  const cuts = fc.array(fc.nat({ max: 216 }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(modelAndDiff, cuts, async ({ base, diff }, ends) => {
      const { payload } = await pack(base, diff);
      const reader = new DiffReader(await openPayload(payload), base.tensors);
      const names = diff.ops.flatMap((op) =>
        op.kind === 'hash' ? op.tensors.map((t) => t.tensor) : [op.tensor],
      );
      expect([...reader.touched].sort()).toEqual([...new Set(names)].sort());
      const read = cloneModel(base);
      for (const tensor of canonicalOrder(read.tensors)
        .map(wordsOf)
        .filter(({ name }) => reader.touched.has(name))) {
        const count = elementCount(tensor);
        const size = count === 0 ? 1 : tensor.bytes.length / count;
        const stops = [...new Set([...ends.filter((end) => end > 0 && end < count), count])];
        let start = 0;
        for (const end of stops.sort((a, b) => a - b)) {
          const bytes = tensor.bytes.subarray(start * size, end * size);
          patchRange(reader.read(tensor, { start, end }), tensor, { startElement: start, bytes });
          start = end;
        }
      }
      expect(read).toEqual(patchModel(base, (await decodePayload(payload, base.tensors)).diff));
      expect(read).toEqual(patchModel(base, diff));
    }),
    { numRuns: 200 },
  );
});

test('DiffReader finds what is left over when the last run of the last tensor is read, and not before', async () => {
  const info = { name: 'w', dtype: 'float32' as const, shape: [6] };
  const sound = new RecordForge([info]).tensors('w').scale('w', 1).levels(1, 2, 3, 4, 5, 6).finish();
  const bytes = Uint8Array.of(...sound, 1, 2, 3, 4, 5);
  const reader = new DiffReader({ records: [{ kind: 'dense', bytes: sourceOf(bytes) }] }, [info]);
  expect(reader.read(info, { start: 0, end: 5 })).toMatchObject([{ levels: Int8Array.of(1, 2, 3, 4, 5) }]);
  expect(await codeOf(() => reader.read(info, { start: 5, end: 6 }))).toBe('corrupt-payload');
});

test('DiffReader hands the memory of a record on to a later one, whatever lies between', async () => {
  const infos = ['a', 'b', 'c'].map((name) => ({ name, dtype: 'int8' as const, shape: [4] }));
  const exact = (tensor: string): Op => {
    return { kind: 'exact', tensor, positions: Uint32Array.of(1, 3), levels: Int32Array.of(5, -6) };
  };
  const set: Op = { kind: 'set', tensor: 'b', bytes: Uint8Array.of(1, 2, 3, 4) };
  const records = encodeRecords([exact('a'), set, exact('c')], infos).map(({ kind, bytes }) => {
    return { kind, bytes: sourceOf(bytes) };
  });
  const reader = new DiffReader({ records }, infos);
  const [a, b, c] = infos.map((info) => reader.read(info, { start: 0, end: 4 })[0]) as [
    ExactOp,
    SetOp,
    ExactOp,
  ];
  expect([b.bytes, c.positions, c.levels]).toEqual([set.bytes, Uint32Array.of(1, 3), Int32Array.of(5, -6)]);
  expect(c.levels.buffer).toBe(a.levels.buffer);
});

/** Bytes that come in windows of a size, through a buffer if one is given. */
function windowed(bytes: Uint8Array, size: number): ByteSource {
  return {
    length: bytes.length,
    borrow(at, buffer) {
      const window = bytes.slice(at, at + Math.min(size, buffer?.length ?? size));
      buffer?.set(window);
      return buffer?.subarray(0, window.length) ?? window;
    },
  };
}

test('decodePayload() reads a payload in windows of any size as it reads it whole', async () => {
  await fc.assert(
    fc.asyncProperty(modelAndDiff, fc.integer({ min: 1, max: 40 }), async ({ base, diff }, size) => {
      const { payload } = await pack(base, diff);
      const whole = await decodePayload(payload, base.tensors);
      expect(await decodePayload(windowed(payload, size), base.tensors)).toEqual(whole);
    }),
    { numRuns: 200 },
  );
});

test('decodePayload() refuses what it refuses whole when it reads in windows', async () => {
  const { payload } = await pack(smallBase(), SMALL_DIFFS.sparse as { ops: [] });
  const { tensors } = smallBase();
  for (let end = 0; end < payload.length; end++) {
    const cut = payload.subarray(0, end);
    const code = await codeOf(() => decodePayload(cut, tensors));
    expect(await codeOf(() => decodePayload(windowed(cut, 5), tensors))).toBe(code);
    const changed = payload.slice();
    changed[end]! ^= 0xff;
    const other = await codeOf(() => decodePayload(changed, tensors));
    expect(await codeOf(() => decodePayload(windowed(changed, 3), tensors))).toBe(other);
  }
});
