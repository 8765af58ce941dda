import { expect, test } from 'vitest';
import { encodeDelta } from '../../scripts/forge-delta.js';
import { RecordForge } from '../../scripts/forge-record.js';
import { header, pack, seal } from '../../scripts/golden-seal.js';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { createPatcher } from '../../src/apply/fast/create-patcher.js';
import { openMemoryStore } from '../../src/model/store.js';
import type { DType, Model, Tensor } from '../../src/model/tensor.js';
import { encodeRecords } from '../../src/payload/encode-records.js';
import { plainPatcher } from '../../src/payload/patch.js';
import { cloneModel, expectSameModel, seededBytes } from '../support.js';
import { type HostileCase, tryCases } from './try-cases.js';
import { watchMemory } from './watch-memory.js';

const ELEMENTS = 2 ** 20;

/** Bytes of all arrays at a time: the payload, its bounded memory, and what is not yet collected. */
const MEMORY_CEILING = 100e6;

const tensor = (name: string, shape: number[], dtype: DType = 'int8'): Tensor => {
  const elements = shape.reduce((product, size) => product * size, 1);
  return { name, dtype, shape, bytes: seededBytes(1, elements) };
};

/** A model of a million elements, and one of as many tensors as there may be. */
const large: Model = { tensors: [tensor('a', [1_024, 1_024]), tensor('b', [4])] };
const many: Model = {
  tensors: Array.from({ length: 65_536 }, (_, i) => tensor(`t${String(i).padStart(5, '0')}`, [1])),
};
const parts = (count: number, shape: number[]): Model => ({
  tensors: Array.from({ length: count }, (_, i) => tensor(`p${String(i).padStart(5, '0')}`, shape)),
});
const thousand = parts(1_024, [2_048]);
const thousands = parts(8_192, [1]);
const KINDS = { sparse: 1, hash: 2, dense: 3, exact: 4, set: 5, 'low-rank': 7, delta: 8 } as const;

/** A payload of some records, which promises a model that it does not make. */
async function payloadOf(model: Model, kind: keyof typeof KINDS, records: readonly Uint8Array[]) {
  const values = {
    ...(await header(model)),
    next: new Uint8Array(16),
    kinds: records.map(() => KINDS[kind]),
  };
  return seal(pack('ndiff1'), pack(Object.values(values)), ...records.map(pack));
}

const times = (count: number, record: Uint8Array): Uint8Array[] => Array<Uint8Array>(count).fill(record);

const forge = (model: Model, kind: 'sparse' | 'exact', ...names: string[]) =>
  new RecordForge(model.tensors, kind).tensors(...names);

/** A record of few bytes that reads each of a million elements. */
const dense = (): Uint8Array => {
  const forged = forge(large, 'sparse', 'a').scale('a', 1).levels(1);
  for (let i = 1; i < ELEMENTS; i++) forged.levels(0);
  return forged.finish();
};

/** A record of few bytes that maps slab after slab, changing the first element of each line or of one. */
const mapped = (kind: 'sparse' | 'exact', every: number): Uint8Array => {
  const positions = Uint32Array.from({ length: ELEMENTS / every }, (_, i) => i * every);
  const op =
    kind === 'exact'
      ? { kind, tensor: 'a', positions, levels: new Int32Array(positions.length).fill(1) }
      : { kind, tensor: 'a', positions, levels: new Int16Array(positions.length).fill(1), scale: 1 };
  return encodeRecords([op], large.tensors)[0]?.bytes as Uint8Array;
};

const hash = (count: number): Uint8Array => {
  const forged = forge(large, 'sparse', 'a').placement({ count }).scale('a', 1).raw(1, 0);
  for (let i = 1; i < count; i++) forged.levels(0);
  return forged.levels(1).finish();
};

const floatHash = (count: number): Uint8Array =>
  new RecordForge([{ ...(large.tensors[0] as Tensor), dtype: 'float32' }])
    .tensors('a')
    .placement({ count })
    .scale('a', 1)
    .raw(1, 1)
    .finish();

/** A low-rank record of few bytes: its levels are zeros but for the last one. */
const lowRank = (rank: number): Uint8Array => {
  const zeros = new Array<number>(rank * 1_024).fill(0);
  const forged = new RecordForge(alone.tensors).tensors('a').factors('a', { rank });
  return forged.factorLevels(zeros, [...zeros.slice(1), 1]).finish();
};

const alone: Model = {
  tensors: [{ ...tensor('a', [1_024, 1_024]), dtype: 'float32', bytes: new Uint8Array(4 * ELEMENTS) }],
};

/** A delta record of few bytes on a tensor, or on all of them: as they are, or of one value. */
const delta = (model: Model, only?: string, isNew = false): Uint8Array =>
  encodeDelta(
    model,
    model.tensors
      .filter(({ name }) => only === undefined || name === only)
      .map(({ name, bytes }) => ({
        tensor: name,
        bytes: isNew ? new Uint8Array(bytes.length) : bytes,
        model: { isNew, isBased: !isNew },
      })),
  );

async function* bombs(): AsyncGenerator<HostileCase & { readonly model: Model }> {
  const records: [string, Model, keyof typeof KINDS, Uint8Array[]][] = [
    ['one dense record', large, 'dense', [dense()]],
    ['16 dense records', large, 'dense', times(16, dense())],
    ['17 dense records', large, 'dense', times(17, dense())],
    ['256 dense records', large, 'dense', times(256, dense())],
    ['16 exact maps with a change in each line', large, 'exact', times(16, mapped('exact', 1_024))],
    ['16 exact maps with a change of each element', large, 'exact', times(16, mapped('exact', 1))],
    ['250 exact maps', large, 'exact', times(250, mapped('exact', 1_024))],
    ['16 sparse maps with a change of each element', large, 'sparse', times(16, mapped('sparse', 1))],
    ['a hash record with a bucket for each weight', large, 'hash', [hash(ELEMENTS)]],
    ['two of them', large, 'hash', times(2, hash(ELEMENTS))],
    ['16 of them', large, 'hash', times(16, hash(ELEMENTS))],
    ['float buckets, all zeros that are not in the file', alone, 'hash', times(2, floatHash(ELEMENTS))],
    ['three of them', alone, 'hash', times(3, floatHash(ELEMENTS))],
    ['a low-rank record of 1,024 ranks', alone, 'low-rank', [lowRank(1_024)]],
    ['16 of 64 ranks', alone, 'low-rank', times(16, lowRank(64))],
    ['two of 1,024', alone, 'low-rank', times(2, lowRank(1_024))],
    [
      '256 records on one of 65,536 tensors each',
      many,
      'dense',
      times(16, onLast()).concat(times(240, onLast())),
    ],
  ];
  records.push(
    ['a scale of its own for each of 1,024 tensors', thousand, 'hash', [hashOfAll(thousand, 2 ** 21)]],
    ['16 hash records on 8,192 tensors', thousands, 'hash', times(16, hashOfAll(thousands, 1))],
  );
  records.push(
    ['a delta record that changes nothing', large, 'delta', [delta(large, 'a')]],
    ['a delta record of new elements, all of one value', large, 'delta', [delta(large, 'a', true)]],
    ['delta records on two tensors', large, 'delta', [delta(large, 'a'), delta(large, 'b')]],
    ['5 delta records on one tensor', large, 'delta', times(5, delta(large, 'a'))],
    ['256 delta records', large, 'delta', times(256, delta(large, 'a'))],
    ['a delta record on 8,192 tensors', thousands, 'delta', [delta(thousands)]],
    ['256 delta records on the last of 65,536 tensors', many, 'delta', times(256, delta(many, 't65535'))],
  );
  for (const [name, model, kind, list] of records) {
    const payload = await payloadOf(model, kind, list);
    for (const patcher of [plainPatcher, createPatcher()]) {
      const run = () => applyPayload(openMemoryStore(model), payload, { patcher });
      yield { name: `${name}, ${patcher === plainPatcher ? 'plain' : 'fast'}`, model, run };
    }
  }
}

/** A hash record on each of many tensors, whose scales change from one to the next. */
const hashOfAll = (model: Model, count: number): Uint8Array => {
  const names = model.tensors.map(({ name }) => name);
  const forged = forge(model, 'sparse', ...names).placement({ block: 3, count });
  names.forEach((name, i) => {
    forged.scale(name, 1 + (i % 2));
  });
  forged.raw(1, 0);
  for (let i = 1; i < count; i++) forged.levels(0);
  return forged.levels(1).finish();
};

const onLast = (): Uint8Array =>
  new RecordForge(many.tensors).tensors('t65535').scale('t65535', 1).levels(1).finish();

test('payloads of few bytes that ask for much work or memory end in time, and the model stays as it is', async () => {
  const before = [large, many, alone].map(cloneModel);
  const peak = watchMemory();
  const counts = await tryCases('payload bombs', bombs(), { limitMs: 10_000 });
  const bytes = peak();
  process.stderr.write(`payload bombs: at most ${(bytes / 1e6).toFixed(0)} MB more than before\n`);
  expect(bytes).toBeLessThan(MEMORY_CEILING);
  expect(counts.accepted).toBe(0);
  expect(Object.keys(counts.refused).sort()).toEqual([
    'corrupt-payload',
    'limit-exceeded',
    'result-mismatch',
  ]);
  for (const [i, model] of [large, many, alone].entries()) expectSameModel(model, before[i] as Model);
});
