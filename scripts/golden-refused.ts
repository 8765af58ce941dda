import { concatBytes, fromHex } from '../src/model/bytes.js';
import type { ErrorCode } from '../src/model/errors.js';
import { fingerprint } from '../src/model/fingerprint.js';
import { openMemoryStore } from '../src/model/store.js';
import type { Model, Tensor } from '../src/model/tensor.js';
import { RecordForge } from './forge-record.js';
import { REFUSED_FILES } from './golden-files.js';
import { REFUSED_DELTAS } from './golden-refused-delta.js';
import { REFUSED_RECORDS } from './golden-refused-records.js';
import { seeded } from './golden-samples.js';
import { header, pack, type Refused, raw, seal } from './golden-seal.js';

const base: Model = {
  tensors: [
    seeded('bias', 'float32', { shape: [4], seed: 1 }),
    seeded('table', 'uint8', { shape: [2, 3], seed: 2 }),
  ],
};

/** A sound payload, changed as bytes. */
const changed = (code: ErrorCode, change: (payload: Uint8Array) => Uint8Array): Refused => ({
  code,
  make: async () => ({
    payload: change(await seal(pack('ndiff1'), pack(await headerValues()))),
    model: base,
  }),
});

/** The values of a header, in order, some of them changed, added or left out. */
async function headerValues(fields: object = {}): Promise<unknown[]> {
  const whole = { ...(await header(base)), ...fields };
  return Object.values(whole).filter((value) => value !== undefined);
}

/** A payload whose header is wrong in some fields. */
const withHeader = (fields: object, code: ErrorCode = 'corrupt-payload'): Refused => ({
  code,
  make: async () => ({
    payload: await seal(pack('ndiff1'), pack(await headerValues(fields))),
    model: base,
  }),
});

/** A payload whose metadata are given as bytes. */
const withMeta = (digits: string): Refused => ({
  code: 'corrupt-payload',
  make: async () => {
    const whole = pack(await headerValues());
    return { payload: await seal(pack('ndiff1'), whole.subarray(0, -1), raw(digits)), model: base };
  },
});

/** A payload whose metadata are a map of one key to a value given as bytes. */
const withValue = (digits: string): Refused => withMeta(`81a16b${digits}`);

/** A payload that leaves the model as it is, whose record is written as some value. */
const inParts = (write: (record: Uint8Array) => unknown): Refused => ({
  code: 'corrupt-payload',
  make: async () => {
    const record = new RecordForge(base.tensors)
      .tensors('table')
      .scale('table', 1)
      .levels(0, 0, 0, 0, 0, 0)
      .finish();
    const values = await headerValues({ kinds: [3] });
    return { payload: await seal(pack('ndiff1'), pack(values), pack(write(record))), model: base };
  },
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
    const record = new RecordForge(base.tensors)
      .tensors('table')
      .scale('table', 1)
      .levels(1, 1, 1, 1, 1, 1)
      .finish();
    const promised = { next: fromHex(await fingerprint(openMemoryStore(next))), kinds: [3], ...fields };
    const payload = await seal(pack('ndiff1'), pack(await headerValues(promised)), pack(record));
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
  'base-of-15-bytes': withHeader({ base: new Uint8Array(15) }),
  'next-a-text': withHeader({ next: 'a'.repeat(16) }),
  'layout-a-text': withHeader({ layout: 'a' }),
  'header-a-map': {
    code: 'corrupt-payload',
    make: async () => ({ payload: await seal(pack('ndiff1'), pack(await header(base))), model: base }),
  },
  'header-value-too-many': withHeader({ more: 1 }),
  'header-value-too-few': withHeader({ meta: undefined }),
  'record-of-a-later-version': withHeader({ kinds: [6] }, 'unsupported-version'),
  'record-of-a-later-version-63': withHeader({ kinds: [63] }, 'unsupported-version'),
  'record-kind-0': withHeader({ kinds: [0] }),
  'record-kind-128': withHeader({ kinds: [128] }),
  'record-missing': withHeader({ kinds: [3] }),
  'record-in-one-part': inParts((record) => [record]),
  'record-with-an-empty-part': inParts((record) => [record, new Uint8Array()]),
  'record-in-parts-of-parts': inParts((record) => [record.subarray(0, 4), [record.subarray(4)]]),
  'record-in-parts-of-numbers': inParts((record) => [...record].slice(0, 15)),
  'too-many-records': withHeader({ kinds: Array(257).fill(3) }, 'limit-exceeded'),
  'metadata-key-twice': withMeta('82a16b01a16b02'),
  'metadata-key-with-a-capital': withHeader({ meta: { Key: 1 } }),
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
  'list-with-a-size-of-32-bits': withValue('dd0000000101'),
  'metadata-value-a-list': withValue('90'),
  'wrong-base': forModel('wrong-base', (tensors) =>
    only(0, { bytes: tensors[0]?.bytes.map((byte) => byte ^ 1) })(tensors),
  ),
  'missing-tensor': forModel('wrong-layout', (tensors) => tensors.slice(1)),
  'extra-tensor': forModel('wrong-layout', (tensors) => [
    ...tensors,
    seeded('x', 'int8', { shape: [0], seed: 0 }),
  ]),
  'renamed-tensor': forModel('wrong-layout', only(0, { name: 'bias2' })),
  'wrong-dtype': forModel('wrong-layout', only(1, { dtype: 'int8' })),
  'wrong-shape': forModel('wrong-layout', only(1, { shape: [3, 2] })),
  'wrong-layout': forModel('wrong-layout', (tensors) => [...tensors], { layout: 0 }),
  'result-mismatch': forModel('result-mismatch', (tensors) => [...tensors], { next: new Uint8Array(16) }),
  ...REFUSED_RECORDS,
  ...REFUSED_DELTAS,
  ...REFUSED_FILES,
};
