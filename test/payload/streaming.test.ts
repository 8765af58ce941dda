import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecordForge } from '../../scripts/forge-record.js';
import { canonicalOrder, elementCount } from '../../src/model/index.js';
import { DiffReader, decodePayload, openPayload, patchRange } from '../../src/payload/index.js';
import { cloneModel, codeOf, pack, patchModel } from '../support.js';
import { modelAndDiff } from './samples.js';

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
      for (const tensor of canonicalOrder(read.tensors).filter(({ name }) => reader.touched.has(name))) {
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
  const header = { base: new Uint8Array(16), next: new Uint8Array(16), layout: 0, meta: {} };
  const bytes = Uint8Array.of(...sound, 1, 2, 3, 4, 5);
  const reader = new DiffReader({ header, records: [{ kind: 'dense', bytes }] }, [info]);
  expect(reader.read(info, { start: 0, end: 5 })).toMatchObject([{ levels: Int8Array.of(1, 2, 3, 4, 5) }]);
  expect(await codeOf(() => reader.read(info, { start: 5, end: 6 }))).toBe('corrupt-payload');
});
