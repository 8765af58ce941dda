import { expect, test } from 'vitest';
import { RecordForge } from '../../scripts/forge-record.js';
import type { TensorInfo } from '../../src/model/tensor.js';
import { sourceOf } from '../../src/payload/byte-source.js';
import { DiffReader } from '../../src/payload/decode.js';
import type { LowRankOp, Op } from '../../src/payload/diff.js';
import { MAX_BUCKETS } from '../../src/payload/limits.js';
import type { OpenPayload } from '../../src/payload/open-payload.js';
import { SLAB_ELEMENTS } from '../../src/payload/positions.js';
import { codeOf } from '../support.js';

const tensor = (...shape: number[]): TensorInfo => ({ name: 'w', dtype: 'float32', shape });

/** A payload of one record, as if it had been opened. */
function opened(kind: Op['kind'], bytes: Uint8Array, times = 1): OpenPayload {
  const blank = '00'.repeat(16);
  return {
    header: { base: blank, next: blank, layout: 0, meta: {} },
    records: Array.from({ length: times }, () => ({ kind, bytes: sourceOf(bytes) })),
  };
}

/** @returns bytes that the call takes next to those there were */
async function memoryOf(call: () => unknown): Promise<number> {
  const used = () => process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
  const before = used();
  await call();
  return used() - before;
}

test('a run of a tensor of 2^32 - 1 elements takes no more than the run, whatever the record says', async () => {
  const info = tensor(3, 5, 2 ** 16 + 1, 4_369);
  const infos = [info];
  for (const view of [0, 5, 6, 7, 8]) {
    const head = { view, rice: 0 };
    const record = new RecordForge(infos).tensors('w').head('w', head).raw(16, 0x1234).finish();
    const bytes = await memoryOf(() => {
      const reader = new DiffReader(opened('sparse', record), infos);
      for (let start = 0; start < 10 * SLAB_ELEMENTS; start += SLAB_ELEMENTS) {
        try {
          reader.read(info, { start, end: start + SLAB_ELEMENTS });
        } catch (error) {
          expect(error).toMatchObject({ code: 'corrupt-payload' });
          break;
        }
      }
    });
    expect(bytes).toBeLessThan(60_000_000);
  }
});

test('a hash op claims no more buckets than its tensors have weights', async () => {
  const info = tensor(1_000);
  const record = new RecordForge([info]).tensors('w').placement({ count: MAX_BUCKETS }).finish();
  const bytes = await memoryOf(async () => {
    const read = () => new DiffReader(opened('hash', record), [info]).read(info, { start: 0, end: 1_000 });
    expect(await codeOf(read)).toBe('corrupt-payload');
  });
  expect(bytes).toBeLessThan(10_000_000);
});

const zeros = (count: number): number[] => new Array<number>(count).fill(0);

test('low-rank ops of a tensor have no more levels of columns together than the limit', async () => {
  const info = tensor(2, 2 ** 21 + 1);
  const forged = new RecordForge([info]).tensors('w').factors('w', { rank: 1 });
  const record = forged.factorLevels(zeros(2 ** 21 + 1), [0, 1]).finish();
  const bytes = await memoryOf(async () => {
    const read = (times: number) => () =>
      new DiffReader(opened('low-rank', record, times), [info]).read(info, { start: 0, end: 10 });
    expect(read(1)()).toMatchObject([{ kind: 'low-rank', scales: Float32Array.of(1) }]);
    expect(await codeOf(read(2))).toBe('limit-exceeded');
  });
  expect(bytes).toBeLessThan(30_000_000);
});

test('a low-rank op on the largest tensor holds a row of levels, and those of columns', async () => {
  const info = tensor(2 ** 20, 4_095);
  const forged = new RecordForge([info]).tensors('w').factors('w', { rank: 1_024 });
  const record = forged.factorLevels(zeros(1_024 * 4_095), zeros(17 * 1_024)).finish();
  const bytes = await memoryOf(() => {
    const reader = new DiffReader(opened('low-rank', record), [info]);
    for (let start = 0; start < 2 ** 16; start += 2 ** 13) {
      const [op] = reader.read(info, { start, end: start + 2 ** 13 });
      const first = Math.floor(start / 4_095);
      const rows = Math.ceil((start + 2 ** 13) / 4_095) - first;
      expect(op).toMatchObject({ rows: { length: rows * 1_024 } });
      expect((op as LowRankOp).firstRow ?? 0).toBe(first);
    }
  });
  expect(bytes).toBeLessThan(30_000_000);
});

test('a dense op on the largest tensor gives runs as long as they are asked for', async () => {
  const info = tensor(2 ** 32 - 1);
  const record = new RecordForge([info])
    .tensors('w')
    .scale('w', 1)
    .levels(...Array(1_000).fill(0))
    .finish();
  const bytes = await memoryOf(() => {
    const [op] = new DiffReader(opened('dense', record), [info]).read(info, { start: 0, end: 1_000 });
    expect(op).toMatchObject({ kind: 'dense', scale: 1 });
  });
  expect(bytes).toBeLessThan(10_000_000);
});
