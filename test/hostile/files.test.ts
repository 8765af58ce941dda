import { describe, expect, test } from 'vitest';
import { FilesForge, type ForgedTensor } from '../../scripts/forge-files.js';
import { RecordForge } from '../../scripts/forge-record.js';
import { header, pack, seal } from '../../scripts/golden-seal.js';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { planApply } from '../../src/apply/plan.js';
import { NeuralDiffError } from '../../src/model/errors.js';
import { openMemoryFiles } from '../../src/model/model-files.js';
import { openMemoryStore, type WeightStore } from '../../src/model/store.js';
import type { Model, TensorInfo } from '../../src/model/tensor.js';
import { codeTable, digestStructure, frameName } from '../../src/payload/files-record.js';
import { RangeEncoder } from '../../src/payload/range-encoder.js';
import { type Match, type NumberRun, StructureCoding } from '../../src/payload/structure-coding.js';
import { openRewritable } from '../../src/storage/storage.js';
import { cloneModel, expectSameModel, seededTensor } from '../support.js';
import { type HostileCase, tryCases } from './try-cases.js';
import { watchMemory } from './watch-memory.js';

/** Bytes of the structures, as docs/FORMAT.md limits them. */
const STRUCTURE = 2 ** 26;

/** Both structures, that of the base twice more: as it was read, and as it is digested; and the rest. */
const MEMORY_CEILING = 4 * STRUCTURE + 100e6;

/** Bytes that fit on the device. */
const CAPACITY = 2 ** 28;

const base: Model = { tensors: [seededTensor('a', 'int8', [1_024, 1_024]), seededTensor('b', 'int8', [1])] };

/** A payload of records of which the first is one of files, for a model that they do not make. */
async function payloadOf(kinds: readonly number[], ...records: readonly Uint8Array[]): Promise<Uint8Array> {
  const values = { ...(await header(base)), next: new Uint8Array(16), kinds };
  return seal(pack('ndiff1'), pack(Object.values(values)), ...records.map(pack));
}

/** A device that keeps no bytes; `replaced` says whether a model was replaced. */
function openDevice(structure?: Uint8Array) {
  const device = { replaced: false, store: openMemoryStore(base) as WeightStore };
  const parts = async () => ({ paths: [], places: [], structure: async () => structure as Uint8Array });
  device.store = openRewritable(
    { ...openMemoryStore(base), ...(structure && { parts }) },
    async (write, current) => {
      await write({
        ...openMemoryFiles(new Map()),
        async reserve({ bytes }) {
          if (bytes > CAPACITY) throw new NeuralDiffError('no-space', `${bytes} bytes do not fit`);
        },
        async write() {},
      });
      device.replaced = true;
      return current;
    },
  );
  return device;
}

const file = (bytes: number, path = 'm') => ({ path, bytes });
const int8 = (...shape: number[]): ForgedTensor => ({ type: { code: 4, shape } });
const table = (files: ReturnType<typeof file>[], tensors: ForgedTensor[]): Uint8Array =>
  new FilesForge().files(files).base().tensors(tensors).finish();
const times = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));
const manyFiles = (path: (i: number) => string) =>
  table(
    times(4_096, (i) => file(0, path(i))),
    [],
  );

/** A structure of one file without tensors, made by steps; `next` gives the step at a place, or a byte. */
function structureOf(
  next: (coding: StructureCoding) => Match | NumberRun | undefined,
  known?: { bytes: number; digest: Uint8Array },
): Uint8Array {
  const encoder = new RangeEncoder();
  const files = [{ ...file(STRUCTURE), sha256: new Uint8Array(32) }];
  codeTable(encoder, base.tensors, { files, tensors: [], ...(known && { base: known }) });
  const bytes = new Uint8Array((known?.bytes ?? 0) + STRUCTURE);
  const coding = new StructureCoding(encoder, bytes, known?.bytes ?? 0);
  while (coding.at < bytes.length) coding.step(next(coding));
  return encoder.finish();
}

const left = ({ at, bytes }: StructureCoding): number => bytes.length - at;

/** Records of files that ask for much. */
const TABLES: Readonly<Record<string, () => Uint8Array>> = {
  '4,096 files of no bytes': () => manyFiles((i) => `f${i}`),
  '4,096 paths of dots': () => manyFiles((i) => `${'.'.repeat(1_010)}x${i}`),
  '4,096 paths of 500 folders': () => manyFiles((i) => `${i}/${'a/'.repeat(505)}a`),
  '4,096 paths that grow when letters are folded': () => manyFiles((i) => `${'\ufdfa'.repeat(335)}${i}`),
  '4,096 files that are said to be there': () => new FilesForge().files([], 4_096).finish(),
  '2^32 files': () => new FilesForge().files([], 2 ** 32).finish(),
  '65,536 tensors of one byte': () =>
    table(
      [file(65_536)],
      times(65_536, (i) => ({ source: i ? -1 : 1 })),
    ),
  '65,536 tensors that are said to be there': () =>
    new FilesForge()
      .files([file(8)])
      .base()
      .tensors([], 65_536)
      .finish(),
  '65,536 tensors of a megabyte': () =>
    table(
      [file(2 ** 36)],
      times(65_536, (i) => ({ source: i ? -1 : 0 })),
    ),
  'a tensor of 2^32 - 1 elements': () => table([file(2 ** 32 - 1)], [int8(2 ** 32 - 1)]),
  'a tensor of 2^32 - 1 elements of a megabyte': () =>
    table([file(2 ** 32 - 1)], [{ source: 0, ...int8(2 ** 32 - 1) }]),
  'a tensor of 2^32 elements': () => table([file(2 ** 33)], [int8(2 ** 16, 2 ** 16)]),
  'a tensor of (2^32 - 1)^8 elements': () => table([file(2 ** 40)], [int8(...times(8, () => 2 ** 32 - 1))]),
  '256 tensors of 2^32 - 1 elements': () =>
    table(
      [file(2 ** 40 - 256)],
      times(256, () => int8(2 ** 32 - 1)),
    ),
  'files of 2^48 bytes': () => table([file(2 ** 48 - 1)], []),
  'gaps that sum to 2^40': () =>
    table(
      [file(2 ** 40)],
      times(256, () => ({ gap: 2 ** 32 - 1, ...int8(1) })),
    ),
  'gaps that sum to 2^48': () =>
    table(
      [file(2 ** 40)],
      times(65_536, () => ({ gap: 2 ** 32 - 1, ...int8(1) })),
    ),
  'a gap of all structure': () => table([file(STRUCTURE + 1)], [{ gap: STRUCTURE, ...int8(1) }]),
  'a source at 2^32': () => table([file(8)], [{ source: 2 ** 32 - 1 }]),
  'sources that go back below the first': () =>
    table(
      [file(2 ** 30)],
      times(9, () => ({ source: -2 })),
    ),
};

/** Structures of 64 MiB from few bytes. */
const STRUCTURES: Readonly<Record<string, () => Uint8Array>> = {
  'one match of all': () =>
    structureOf((coding) => (coding.at === 0 ? undefined : { from: 0, length: left(coding) })),
  'runs of numbers of one byte': () =>
    structureOf((coding) => ({ width: 1, count: Math.min(4_096, left(coding)) })),
  bytes: () => structureOf(() => undefined),
  'matches of a byte': () =>
    structureOf(({ at, from }) => {
      if (at === 0) return undefined;
      return at === 1 ? { from: 0, length: 4 } : { from, length: 1 };
    }),
};

/** Frames of as many tensors as there may be, under as many records. */
function underRecords(count: number): Uint8Array[] {
  const infos = times(65_536, (i): TensorInfo => ({ name: frameName(i), dtype: 'int8', shape: [1] }));
  const record = new RecordForge(infos).tensors('65535').scale('65535', 1).levels(1).finish();
  const frame = (TABLES['65,536 tensors of one byte'] as () => Uint8Array)();
  return [frame, ...times(count, () => record)];
}

async function* bombs(): AsyncGenerator<HostileCase> {
  const known = new Uint8Array(STRUCTURE);
  const digest = await digestStructure(known);
  const against = () =>
    structureOf(({ baseBytes }) => ({ from: 0, length: baseBytes }), { bytes: STRUCTURE, digest });
  const cases: [string, () => Uint8Array[], Uint8Array?][] = [
    ...Object.entries({ ...TABLES, ...STRUCTURES }).map(([name, make]): [string, () => Uint8Array[]] => [
      name,
      () => [make()],
    ]),
    ['a structure against one of 64 MiB', () => [against()], known],
    ['16 records on the last of 65,536 tensors', () => underRecords(16)],
    ['17 records on it', () => underRecords(17)],
    ['255 records on it', () => underRecords(255)],
  ];
  for (const [name, make, structure] of cases) {
    const records = make();
    const payload = await payloadOf([9, ...records.slice(1).map(() => 3)], ...records);
    const device = openDevice(structure);
    const run = async () => {
      try {
        await applyPayload(device.store, payload);
      } finally {
        expect(device.replaced).toBe(false);
      }
    };
    yield { name, run };
  }
}

describe('payloads of few bytes that make files', () => {
  test('end in time where they ask for much work or memory, and replace nothing', async () => {
    const before = cloneModel(base);
    const peak = watchMemory();
    const counts = await tryCases('bombs of files', bombs(), { limitMs: 60_000, memory: MEMORY_CEILING });
    const bytes = peak();
    process.stderr.write(`bombs of files: at most ${(bytes / 1e6).toFixed(0)} MB more than before\n`);
    expect(bytes).toBeLessThan(MEMORY_CEILING);
    expect(counts.accepted).toBe(0);
    expect(Object.keys(counts.refused).sort()).toEqual([
      'corrupt-payload',
      'limit-exceeded',
      'no-space',
      'result-mismatch',
    ]);
    expectSameModel(base, before);
  });

  test('a plan of a terabyte stops when it is cancelled', async () => {
    const payload = await payloadOf([9], (TABLES['256 tensors of 2^32 - 1 elements'] as () => Uint8Array)());
    const signal = AbortSignal.timeout(200);
    await expect(planApply(openMemoryStore(base), payload, { signal })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
  });
});
