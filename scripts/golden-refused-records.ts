import type { ErrorCode } from '../src/model/errors.js';
import { byteLength, type Model, type Tensor } from '../src/model/tensor.js';
import { encodeSet } from '../src/payload/encode-records.js';
import { RecordForge } from './forge-record.js';
import { seeded, set } from './golden-samples.js';
import { header, pack, type Refused, raw, seal } from './golden-seal.js';

const [SPARSE, HASH, DENSE, EXACT, SET, LOW_RANK] = [1, 2, 3, 4, 5, 7];

/** Two tensors of floats, one of integers, and one with longer rows than a slab. */
const model: Model = {
  tensors: [
    seeded('bias', 'float32', { shape: [4], seed: 1 }),
    seeded('cube', 'float32', { shape: [2, 2, 2], seed: 2 }),
    seeded('table', 'uint8', { shape: [2, 3], seed: 3 }),
    { name: 'wide', dtype: 'int8', shape: [2, 65_537], bytes: new Uint8Array(131_074) } satisfies Tensor,
    seeded('z/empty', 'float32', { shape: [0, 2], seed: 4 }),
  ],
};

/** A payload with the same sound record again and again. */
const repeated = (kind: number, record: Uint8Array, times: number): Refused => ({
  code: 'limit-exceeded',
  make: async () => {
    const kinds = Array<number>(times).fill(kind);
    const values = Object.values({ ...(await header(model)), kinds });
    const records = kinds.map(() => pack(record));
    return { payload: await seal(pack('ndiff1'), pack(values), ...records), model };
  },
});

/** A payload with one record. */
const withRecord = (
  kind: number | undefined,
  record: Uint8Array,
  code: ErrorCode = 'corrupt-payload',
): Refused => ({
  code,
  make: async () => {
    const values = Object.values({ ...(await header(model)), kinds: [kind] });
    return { payload: await seal(pack('ndiff1'), pack(values), pack(record)), model };
  },
});

const forge = (...tensors: string[]): RecordForge => new RecordForge(model.tensors).tensors(...tensors);
const sparse = (forged: RecordForge): Refused => withRecord(SPARSE, forged.finish());
const dense = (forged: RecordForge): Refused => withRecord(DENSE, forged.finish());
const hash = (forged: RecordForge, code?: ErrorCode): Refused => withRecord(HASH, forged.finish(), code);

/** A record of a scale that its tensor cannot have; all else is in order. */
const scaled = (name: string, scale: number): Refused => dense(forge(name).scale(name, scale));

/** An exact record of one change of the first element. */
const exact = (name: string, difference: number): Refused => {
  const elements = name === 'bias' ? 4 : 6;
  const bounds = { rice: 3, elements };
  const forged = new RecordForge(model.tensors, 'exact').tensors(name).head(name, { rice: 3 });
  return withRecord(
    EXACT,
    forged.position(0, 0, bounds).level(difference).position(1, elements, bounds).finish(),
  );
};

const beyond = { rice: 2, elements: 4 };
/** A plain tensor of four elements of which the second changes. */
const plain = (head: object = {}) =>
  forge('bias')
    .head('bias', { rice: 2, ...head })
    .position(0, 1, beyond);
const sound = plain().level(1).position(2, 4, beyond).finish();
const buckets = (count: number) => forge('bias').placement({ count }).scale('bias', 1).raw(1, 0);
const float = (name: string, bits: number) =>
  forge(name)
    .placement()
    .scale(name, 1)
    .raw(1, 1)
    .raw(16, bits >>> 16)
    .raw(16, bits & 0xffff);

const lowRank = (forged: RecordForge, code?: ErrorCode): Refused =>
  withRecord(LOW_RANK, forged.finish(), code);

/** Low-rank records on a matrix of zeros, each of a rank and without levels. */
const lowRanks = (dtype: 'float32' | 'bfloat16', shape: number[], ranks: number[]): Refused => ({
  code: 'limit-exceeded',
  make: async () => {
    const info = { name: 'a', dtype, shape };
    const large: Model = { tensors: [{ ...info, bytes: new Uint8Array(byteLength(info)) }] };
    const [rows, columns] = shape as [number, number];
    const records = ranks.map((rank, i) => {
      const forged = new RecordForge(large.tensors).tensors('a').factors('a', { rank });
      // The last record is refused before its levels are read.
      if (i === ranks.length - 1) return forged.finish();
      const zeros = new Array<number>(rank * rows - 1).fill(0);
      return forged.factorLevels(new Array<number>(rank * columns).fill(0), [...zeros, 1]).finish();
    });
    const values = Object.values({ ...(await header(large)), kinds: ranks.map(() => LOW_RANK) });
    return { payload: await seal(pack('ndiff1'), pack(values), ...records.map(pack)), model: large };
  },
});

const soundSet = encodeSet([set('bias', new Uint8Array(16))], model.tensors);

/** Payloads with a record that is wrong; the names are folders. */
export const REFUSED_RECORDS: Readonly<Record<string, Refused>> = {
  'record-of-no-bytes': withRecord(DENSE, new Uint8Array()),
  'record-beginning-above-the-range': withRecord(DENSE, raw('40')),
  'records-on-one-tensor-too-many': repeated(SPARSE, sound, 17),
  'record-byte-left-over': withRecord(SPARSE, Uint8Array.of(...sound, 0x55, 0x55, 0x55, 0x55, 0x55)),
  'record-ending-in-zero': withRecord(SPARSE, Uint8Array.of(...sound, 0)),
  'low-rank-on-no-tensor': lowRank(forge()),
  'low-rank-for-integers': lowRank(forge('table').factors('table', {}).factorLevels([1, 2, 3], [1, 2])),
  'low-rank-on-an-empty-tensor': lowRank(forge('z/empty').factors('z/empty', {})),
  'low-rank-of-more-ranks-than-rows': lowRank(forge('cube').factors('cube', { rank: 3 })),
  'low-rank-of-more-ranks-than-columns': lowRank(forge('cube').factors('cube', { split: 2, rank: 3 })),
  'low-rank-of-2-32-ranks': lowRank(forge('cube').factors('cube', { rank: 2 ** 32 })),
  'low-rank-split-at-the-last-dimension': lowRank(forge('cube').factors('cube', { split: 3 })),
  'low-rank-split-of-2-32-less-1': lowRank(forge('cube').factors('cube', { split: 2 ** 32 - 1 })),
  'low-rank-scale-zero': lowRank(forge('cube').factors('cube', {}, 0)),
  'low-rank-column-of-32768': lowRank(forge('cube').factors('cube', {}).factorLevels([1, 32_768], [])),
  'low-rank-row-below-32767': lowRank(
    forge('cube').factors('cube', {}).factorLevels([1, 2, 3, 4], [1, -32_768]),
  ),
  'low-rank-bytes-left-over': withRecord(
    LOW_RANK,
    Uint8Array.of(
      ...forge('cube').factors('cube', {}).factorLevels([1, 2, 3, 4], [1, 1]).finish(),
      ...[0x55, 0x55, 0x55, 0x55, 0x55],
    ),
  ),
  'low-rank-ranks-above-1024': lowRanks('float32', [65, 65], new Array<number>(16).fill(65)),
  'low-rank-columns-above-2-22': lowRanks('bfloat16', [2, 2 ** 21 + 1], [2]),
  'set-on-no-tensor': withRecord(SET, forge().finish()),
  'set-bytes-left-over': withRecord(SET, Uint8Array.of(...soundSet, 0x55, 0x55, 0x55, 0x55, 0x55)),
  'op-on-no-tensor': dense(forge()),
  'sparse-op-on-an-empty-tensor': sparse(forge('z/empty').head('z/empty')),
  'positions-none': sparse(forge('bias').head('bias', { rice: 2 }).position(0, 4, { rice: 2, elements: 4 })),
  'positions-none-in-a-map': sparse(forge('table').head('table', { view: 3 }).map(2, 3)),
  'position-out-of-range': sparse(
    forge('table').head('table', { rice: 2 }).position(0, 7, { rice: 2, elements: 6 }),
  ),
  'sparse-level-of-32768': sparse(plain().level(32_768)),
  'sparse-level-beyond-2-32': sparse(plain().level(2 ** 32 + 15)),
  'view-of-a-dimension-too-many': sparse(forge('cube').head('cube', { view: 7 })),
  'view-2-32-less-1': sparse(forge('cube').head('cube', { view: 2 ** 32 - 1 })),
  'view-beyond-2-32': sparse(forge('cube').head('cube', { view: 2 ** 32 })),
  'view-with-rows-longer-than-a-slab': sparse(forge('wide').head('wide', { view: 3 })),
  'exact-difference-of-2-31': exact('bias', 2 ** 31),
  'exact-difference-below-2-31': exact('bias', -(2 ** 31) - 1),
  'exact-difference-beyond-the-dtype': exact('table', 128),
  'dense-level-out-of-range': dense(forge('bias').scale('bias', 1).levels(128)),
  'scale-lower-bits-of-zeros': dense(forge('bias').scaleOfZeros().levels(1, 1, 1, 1)),
  'scale-zero': scaled('bias', 0),
  'scale-negative': scaled('bias', -1),
  'scale-not-a-number': scaled('bias', Number.NaN),
  'scale-infinite': scaled('bias', Number.POSITIVE_INFINITY),
  'scale-above-2-96': scaled('bias', 2 ** 97),
  'scale-just-above-2-96': scaled('bias', 2 ** 96 * (1 + 2 ** -7)),
  'scale-a-fraction-for-integers': scaled('table', 0.5),
  'scale-of-2-24-for-integers': scaled('table', 2 ** 24),
  'blocks-of-1025': hash(forge('bias').placement({ block: 1_025 }), 'limit-exceeded'),
  'blocks-of-2-32': hash(forge('bias').placement({ block: 2 ** 32 }), 'limit-exceeded'),
  'blocks-beyond-2-32': hash(forge('bias').placementBeyond()),
  'buckets-2-32': hash(forge('bias').placement({ count: 2 ** 32 }), 'limit-exceeded'),
  'buckets-of-all-records-above-2-21': {
    code: 'limit-exceeded',
    make: async () => {
      const count = 2 ** 20 + 1;
      const large: Model = {
        tensors: [{ name: 'a', dtype: 'int8', shape: [count], bytes: new Uint8Array(count) }],
      };
      const forged = new RecordForge(large.tensors).tensors('a').placement({ count }).scale('a', 1).raw(1, 0);
      for (let i = 1; i < count; i++) forged.levels(0);
      const record = forged.levels(1).finish();
      const values = Object.values({ ...(await header(large)), kinds: [HASH, HASH] });
      return { payload: await seal(pack('ndiff1'), pack(values), pack(record), pack(record)), model: large };
    },
  },
  'buckets-more-than-weights': hash(forge('bias').placement({ count: 5 })),
  'bucket-out-of-range': hash(buckets(2).levels(1, 128)),
  'bucket-infinite': hash(float('bias', 0x7f800000)),
  'bucket-not-finite': hash(float('bias', 0x7fc00000)),
  'float-buckets-for-integers': hash(float('table', 0x3f800000)),
};
