import { Packr } from 'msgpackr';
import {
  concatBytes,
  type ErrorCode,
  fingerprint,
  type Model,
  openMemoryStore,
  type Tensor,
} from '../src/model/index.js';
import { xxh64 } from '../src/payload/checksum.js';
import { seeded } from './golden-accepted.js';

/** A payload that every reader must refuse, the model to try it on, and the code of the error. */
export interface Refused {
  readonly code: ErrorCode;
  make(): Promise<{ payload: Uint8Array; model: Model }>;
}

const base: Model = {
  tensors: [
    seeded('bias', 'float32', { shape: [4], seed: 1 }),
    seeded('table', 'uint8', { shape: [2, 3], seed: 2 }),
  ],
};
const DIRECTORY = [
  [0, 'bias', 1, 4],
  [0, 'table', 5, 2, 3],
];
const [SPARSE, HASH, DENSE] = [1, 2, 3];

const pack = (value: unknown) =>
  new Uint8Array(new Packr({ useRecords: false, variableMapSize: true }).pack(value));
const raw = (digits: string) =>
  Uint8Array.from(digits.match(/[0-9a-f]{2}/g) ?? [], (pair) => Number.parseInt(pair, 16));
const seal = async (...parts: Uint8Array[]) => {
  const body = concatBytes(parts);
  return concatBytes([body, raw('c408'), await xxh64(body)]);
};

async function header(fields: object = {}): Promise<object> {
  const identity = await fingerprint(openMemoryStore(base));
  return { base: identity, next: identity, tensors: DIRECTORY, ops: [], meta: {}, ...fields };
}

const sound = async () => seal(pack('ndiff0'), pack(await header()));

/** A payload whose header is wrong in some fields. */
const withHeader = (fields: object, code: ErrorCode = 'corrupt-payload'): Refused => ({
  code,
  make: async () => ({ payload: await seal(pack('ndiff0'), pack(await header(fields))), model: base }),
});

/** A payload whose header ends in metadata given as bytes, which a map `{k: …}` is to hold. */
const withValue = (digits: string): Refused => ({
  code: 'corrupt-payload',
  make: async () => {
    const whole = pack(await header({ meta: { k: 0 } }));
    return { payload: await seal(pack('ndiff0'), whole.subarray(0, -1), raw(digits)), model: base };
  },
});

/** A payload with one op whose record is given as bytes. */
const withRecord = (op: number[], digits: string, code: ErrorCode = 'corrupt-payload'): Refused => ({
  code,
  make: async () => {
    const record = raw(digits);
    const [kind, ...tensors] = op;
    const ops = [[kind, record.length, ...tensors]];
    return { payload: await seal(pack('ndiff0'), pack(await header({ ops })), pack(record)), model: base };
  },
});

/** A sound payload, changed as bytes. */
const changed = (code: ErrorCode, change: (payload: Uint8Array) => Uint8Array): Refused => ({
  code,
  make: async () => ({ payload: change(await sound()), model: base }),
});

/** A payload that adds 1 to every byte of the table, for a model that is not its base. */
const forModel = (
  code: ErrorCode,
  change: (tensors: readonly Tensor[]) => Tensor[],
  fields: object = {},
): Refused => ({
  code,
  make: async () => {
    const tensors = base.tensors.map((tensor) => ({ ...tensor, bytes: tensor.bytes.slice() }));
    const next = {
      tensors: tensors.map((t) =>
        t.name === 'table' ? { ...t, bytes: t.bytes.map((byte) => byte + 1) } : t,
      ),
    };
    const record = raw('02 0000803f aaa0');
    const promised = {
      next: await fingerprint(openMemoryStore(next)),
      ops: [[DENSE, record.length, 1]],
      ...fields,
    };
    const payload = await seal(pack('ndiff0'), pack(await header(promised)), pack(record));
    return { payload, model: { tensors: change(tensors) } };
  },
});

const only = (index: number, fields: object) => (tensors: readonly Tensor[]) =>
  tensors.map((tensor, i) => (i === index ? { ...tensor, ...fields } : tensor));

const flip = (at: number, bits: number) => (payload: Uint8Array) =>
  payload.map((byte, i) => (i === at ? byte ^ bits : byte));

/** The payloads that every reader must refuse; the names are folders. */
export const REFUSED: Readonly<Record<string, Refused>> = {
  'not-a-payload': {
    code: 'not-a-payload',
    make: async () => ({ payload: raw('7b22666f726d617422'), model: base }),
  },
  'cut-inside-the-magic': changed('not-a-payload', (payload) => payload.subarray(0, 6)),
  'newer-version': changed('unsupported-version', flip(6, 1)),
  'cut-behind-the-header': changed('corrupt-payload', (payload) => payload.subarray(0, -10)),
  'cut-inside-the-checksum': changed('corrupt-payload', (payload) => payload.subarray(0, -1)),
  'one-bit-flipped': changed('corrupt-payload', flip(40, 0x10)),
  'checksum-of-zeros': changed('corrupt-payload', (payload) =>
    concatBytes([payload.subarray(0, -8), new Uint8Array(8)]),
  ),
  'byte-behind-the-checksum': changed('corrupt-payload', (payload) => concatBytes([payload, raw('00')])),
  'base-of-31-bytes': withHeader({ base: new Uint8Array(31) }),
  'header-key-unknown': withHeader({ more: 1 }),
  'header-key-twice': {
    code: 'corrupt-payload',
    make: async () => {
      const twice = concatBytes([raw('86'), pack(await header()).subarray(1), pack('meta'), pack({})]);
      return { payload: await seal(pack('ndiff0'), twice), model: base };
    },
  },
  'names-out-of-order': withHeader({ tensors: [...DIRECTORY].reverse() }),
  'name-twice': withHeader({
    tensors: [
      [0, 'bias', 1, 4],
      [4, '', 1, 4],
    ],
  }),
  'name-empty': withHeader({ tensors: [[0, '', 1, 4]] }),
  'name-prefix-too-short': withHeader({
    tensors: [
      [0, 'bias', 1, 4],
      [3, 'sb', 1, 4],
    ],
  }),
  'name-prefix-too-long': withHeader({
    tensors: [
      [0, 'bias', 1, 4],
      [5, 'b', 1, 4],
    ],
  }),
  'dtype-unknown': withHeader({ tensors: [[0, 'bias', 7, 4]] }),
  'nine-dimensions': withHeader({ tensors: [[0, 'bias', 1, 1, 1, 1, 1, 1, 1, 1, 1, 4]] }),
  'too-many-elements': withHeader({ tensors: [[0, 'bias', 1, 65_536, 65_536]] }),
  'op-unknown': withHeader({ ops: [[4, 0, 0]] }),
  'op-on-no-tensor': withHeader({ ops: [[HASH, 14]] }),
  'op-on-an-unknown-tensor': withHeader({ ops: [[DENSE, 6, 2]] }),
  'record-missing': withHeader({ ops: [[DENSE, 6, 0]] }),
  'too-much-metadata': withHeader(
    { meta: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, 0])) },
    'limit-exceeded',
  ),
  'metadata-text-too-long': withHeader({ meta: { note: 'a'.repeat(4_097) } }, 'limit-exceeded'),
  'integer-not-shortest': withValue('cc01'),
  'text-not-shortest': withValue('d90161'),
  'text-not-utf8': withValue('a2c0af'),
  'text-with-byte-order-mark': withValue('a3efbbbf'),
  nil: withValue('c0'),
  boolean: withValue('c3'),
  float: withValue('ca3f800000'),
  'negative-integer': withValue('ff'),
  'integer-of-64-bits': withValue('cf0000000100000000'),
  extension: withValue('d40100'),
  'list-of-2-32-values': withValue('ddffffffff'),
  'nested-too-deeply': withValue('9191919101'),
  'metadata-value-a-list': withValue('90'),
  'positions-none': withRecord([SPARSE, 0], '00000000 01 00 0000803f'),
  'positions-more-than-elements': withRecord([SPARSE, 0], '05000000 01 00 0000803f 0000'),
  'positions-absurdly-many': withRecord([SPARSE, 0], 'ffffffff 01 00 0000803f 00'),
  'position-out-of-range': withRecord([SPARSE, 0], '01000000 01 00 0000803f f0'),
  'rice-parameter-25': withRecord([SPARSE, 0], '01000000 01 19 0000803f 00000000'),
  'sparse-levels-of-9-bits': withRecord([SPARSE, 0], '01000000 09 00 0000803f 0000'),
  'fill-bits-not-zero': withRecord([SPARSE, 0], '01000000 01 00 0000803f 01'),
  'record-byte-left-over': withRecord([SPARSE, 0], '01000000 01 00 0000803f 0000'),
  'dense-level-out-of-range': withRecord([DENSE, 0], '02 0000803f ff'),
  'dense-too-short': withRecord([DENSE, 1], '02 0000803f aa'),
  'scale-zero': withRecord([DENSE, 0], '02 00000000 55'),
  'scale-not-a-number': withRecord([DENSE, 0], '02 0000c07f 55'),
  'scale-above-2-96': withRecord([DENSE, 0], '02 00000070 55'),
  'scale-a-fraction-for-integers': withRecord([DENSE, 1], '02 0000003f 5550'),
  'scale-of-2-24-for-integers': withRecord([DENSE, 1], '02 0000804b 5550'),
  'blocks-of-0': withRecord([HASH, 0], '00000000 00000000 01000000 02 0000803f 00'),
  'blocks-of-1025': withRecord([HASH, 0], '00000000 01040000 01000000 02 0000803f 00', 'limit-exceeded'),
  'buckets-none': withRecord([HASH, 0], '00000000 01000000 00000000 02 0000803f'),
  'buckets-2-32': withRecord([HASH, 0], '00000000 01000000 ffffffff 02 0000803f 00', 'limit-exceeded'),
  'bucket-coding-unknown': withRecord([HASH, 0], '00000000 01000000 01000000 03 0000803f 00'),
  'bucket-not-finite': withRecord([HASH, 0], '00000000 01000000 01000000 00 0000803f 0000807f'),
  'float-buckets-for-integers': withRecord([HASH, 1], '00000000 01000000 01000000 00 0000803f 0000803f'),
  'ternary-byte-243': withRecord([HASH, 0], '00000000 01000000 05000000 01 0000803f f3'),
  'wrong-base': forModel('wrong-base', (tensors) =>
    only(0, { bytes: tensors[0]?.bytes.map((byte) => byte ^ 1) })(tensors),
  ),
  'missing-tensor': forModel('missing-tensor', (tensors) => tensors.slice(1)),
  'extra-tensor': forModel('extra-tensor', (tensors) => [
    ...tensors,
    seeded('x', 'int8', { shape: [0], seed: 0 }),
  ]),
  'renamed-tensor': forModel('missing-tensor', only(0, { name: 'bias2' })),
  'wrong-dtype': forModel('wrong-dtype', only(1, { dtype: 'int8' })),
  'wrong-shape': forModel('wrong-shape', only(1, { shape: [3, 2] })),
  'result-mismatch': forModel('result-mismatch', (tensors) => [...tensors], { next: new Uint8Array(32) }),
};
