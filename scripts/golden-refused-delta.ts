import type { ErrorCode } from '../src/model/errors.js';
import type { Model, Tensor, TensorInfo } from '../src/model/tensor.js';
import type { HeadToCode, Lines } from '../src/payload/delta/head.js';
import { KEPT } from '../src/payload/delta/head.js';
import { type EncodedRecord, encodeSet } from '../src/payload/encode-records.js';
import { RECORD_CODES } from '../src/payload/header.js';
import {
  encodeDelta,
  forgeHead,
  forgeNames,
  forgeSegment,
  headWith,
  joinRecord,
  joinSegment,
  type SegmentParts,
  scopeOf,
  weights,
} from './forge-delta.js';
import { seeded, set } from './golden-samples.js';
import { header, pack, type Refused, seal } from './golden-seal.js';

const DELTA = { isNew: false, isBased: true };

const zeros = (name: string, shape: number[]): Tensor => {
  const bytes = new Uint8Array(shape.reduce((product, size) => product * size, 1));
  return { name, dtype: 'uint8', shape, bytes };
};

/** Small tensors, one that has segments of its own, and one of no elements. */
const model: Model = {
  tensors: [
    seeded('bias', 'float32', { shape: [4], seed: 1 }),
    zeros('grid', [64, 65]),
    seeded('words', 'uint16', { shape: [10], seed: 5 }),
    seeded('z/empty', 'float32', { shape: [0, 2], seed: 4 }),
  ],
};
const infoOf = (name: string): TensorInfo =>
  model.tensors.find((tensor) => tensor.name === name) as TensorInfo;

/** A tensor of two segments, and one with more columns than offsets may have. */
const long = zeros('long', [1_025, 256]);
const wide = zeros('wide', [2, 2 ** 18 + 1]);

/** A payload of some records on a model, which is not its next one. */
const withRecords = (
  records: readonly EncodedRecord[],
  { code = 'corrupt-payload', on = model }: { code?: ErrorCode; on?: Model } = {},
): Refused => ({
  code,
  make: async () => {
    const kinds = records.map(({ kind }) => RECORD_CODES[kind]);
    const values = Object.values({ ...(await header(on)), next: new Uint8Array(16), kinds });
    const packed = records.map(({ bytes }) => pack(bytes));
    return { payload: await seal(pack('ndiff1'), pack(values), ...packed), model: on };
  },
});

const delta = (bytes: Uint8Array): EncodedRecord => ({ kind: 'delta', bytes });
const names = forgeNames(model.tensors, 'words');

/** A record of a segment of `words`, where some elements grow: by 1, by 5, or by 21, with raw bits. */
const sound: SegmentParts = forgeSegment(
  scopeOf(infoOf('words'), false),
  headWith({ weights: [weights({ 0: 4_000, 4: 90, 12: 5, 20: 1 })] }),
  [20, 4, 12, 0, 20, 4, 0, 0, 20, 12].map((token) => ({ token, raw: 0 })),
);
const record = (parts: SegmentParts): Uint8Array => joinRecord(names, joinSegment(parts));

/** A sound segment but for some bytes. */
const segment = (parts: Partial<SegmentParts>, lengths = {}): Refused =>
  withRecords([delta(joinRecord(names, joinSegment({ ...sound, ...parts }, lengths)))]);

/** The states, one of them changed. */
function statesWith(at: number, change: (state: number) => number): Uint8Array {
  const states = new Uint32Array(sound.states.slice().buffer);
  states[at] = change(states[at] as number);
  return new Uint8Array(states.buffer);
}

const more = (bytes: Uint8Array, ...added: number[]): Uint8Array => Uint8Array.of(...bytes, ...added);

const still: SegmentParts = { ...sound, halves: new Uint8Array(), raw: new Uint8Array() };

/** A segment of one tensor with a head that is wrong. */
function headed(name: string, fields: Partial<HeadToCode>, isAlone = true): Refused {
  const head = forgeHead(scopeOf(infoOf(name), isAlone), headWith(fields));
  return withRecords([delta(joinRecord(forgeNames(model.tensors, name), joinSegment({ ...still, head })))]);
}

function tooWide(): Refused {
  const head = forgeHead(scopeOf(wide), headWith({ lines: linesOf(2, 2 ** 18 + 1) }));
  const on = { tensors: [wide] };
  return withRecords([delta(joinRecord(forgeNames(on.tensors, 'wide'), joinSegment({ ...still, head })))], {
    on,
  });
}

/** Offsets of 0, or others, for a tensor of rows and columns. */
const linesOf = (rows: number, columns: number, others: Partial<Lines> = {}): Lines => ({
  split: 1,
  step: 1,
  isRepeated: false,
  rows: new Int16Array(rows),
  columns: new Int16Array(columns),
  ...others,
});

const [grid, flat] = [linesOf(64, 65), linesOf(1, 1)];
const withRow = (offset: number): Partial<HeadToCode> => ({
  lines: { ...grid, rows: grid.rows.map((_, i) => (i === 63 ? offset : 0)) },
});

/** Two segments of a tensor: of differences with columns that are kept, of new elements that repeat these. */
function keptColumns(): Refused {
  const scope = { ...scopeOf(long), elements: 2 ** 18 };
  const lines = linesOf(1_024, 256, { columns: new Int16Array(256).fill(KEPT) });
  const first = joinSegment(forgeSegment(scope, headWith({ lines }), []));
  const last = { ...scope, first: 2 ** 18, elements: 256, before: lines };
  const repeated = { ...lines, rows: new Int16Array(1), isRepeated: true };
  const head = forgeHead(last, headWith({ isNew: true, lines: repeated }));
  const on = { tensors: [long] };
  const names = forgeNames(on.tensors, 'long');
  return withRecords([delta(joinRecord(names, first, joinSegment({ ...still, head })))], { on });
}

/** Delta records of which each has two tensors, and all are read at the same time. */
function atATime(count: number): Refused {
  const tensors = Array.from({ length: 2 * count }, (_, i) =>
    seeded(`a${i + 10}`, 'int8', { shape: [6], seed: 30 + i }),
  );
  const on = { tensors };
  const records = tensors.slice(0, count).map((tensor, i) => {
    const both = [tensor, tensors[i + count] as Tensor];
    return delta(
      encodeDelta(
        on,
        both.map(({ name, bytes }) => ({ tensor: name, bytes, model: DELTA })),
      ),
    );
  });
  return withRecords(records, { code: 'limit-exceeded', on });
}

/** A sound payload on zeros, which are in another context: the segment does not end with its bytes. */
function onAnotherBase(): Refused {
  const words = infoOf('words') as Tensor;
  const head = headWith({ isBased: true, weights: [weights({ 0: 1 }), weights({ 0: 5, 4: 5 })] });
  const elements = Array.from({ length: 10 }, (_, i) => ({ token: i % 3 === 0 ? 4 : 0, context: 1 }));
  const refused = withRecords([delta(record(forgeSegment(scopeOf(words, false), head, elements)))], {
    code: 'wrong-base',
  });
  const tensors = model.tensors.map((each) =>
    each === words ? { ...words, bytes: new Uint8Array(20) } : each,
  );
  return { ...refused, make: async () => ({ ...(await refused.make()), model: { tensors } }) };
}

const setRecord: EncodedRecord = {
  kind: 'set',
  bytes: encodeSet([set('words', new Uint8Array(20))], model.tensors),
};

/** Payloads with a delta record that is wrong, or with the sound one and another result; named for it. */
export const REFUSED_DELTAS: Readonly<Record<string, Refused>> = {
  'delta-on-no-tensor': withRecords([delta(joinRecord(forgeNames(model.tensors)))]),
  'delta-on-an-empty-tensor': withRecords([
    delta(joinRecord(forgeNames(model.tensors, 'z/empty'), joinSegment(sound))),
  ]),
  'delta-behind-another-record': withRecords([setRecord, delta(record(sound))]),
  'delta-twice-on-a-tensor': withRecords([delta(record(sound)), delta(record(sound))]),
  'delta-records-at-a-time-5': atATime(5),
  'delta-names-left-over': withRecords([
    delta(joinRecord(more(names, 0x55, 0x55, 0x55, 0x55, 0x55), joinSegment(sound))),
  ]),
  'delta-head-left-over': segment({ head: more(sound.head, 0x55, 0x55, 0x55, 0x55, 0x55) }),
  'delta-head-ending-in-zero': segment({ head: more(sound.head, 0) }),
  'delta-length-not-shortest': withRecords([
    delta(Uint8Array.of(names.length + 128, 0, ...names, ...joinSegment(sound))),
  ]),
  'delta-length-of-2-32': withRecords([delta(Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x10, ...names))]),
  'delta-length-without-end': withRecords([delta(Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x80, 0x01))]),
  'delta-of-no-bytes': withRecords([delta(new Uint8Array())]),
  'delta-without-segments': withRecords([delta(joinRecord(names))]),
  'delta-cut-in-the-names': withRecords([delta(record(sound).subarray(0, 2))]),
  'delta-cut-in-the-states': withRecords([
    delta(record({ ...sound, states: sound.states.subarray(0, 31), halves: new Uint8Array() })),
  ]),
  'delta-cut-in-the-raw-bits': withRecords([delta(record(sound).subarray(0, -1))]),
  'delta-byte-left-over': withRecords([delta(more(record(sound), 0))]),
  'delta-state-below-2-15': segment({ states: statesWith(3, () => 2 ** 15 - 1) }),
  'delta-state-of-2-31': segment({ states: statesWith(0, () => 2 ** 31) }),
  'delta-state-wrong-at-the-end': segment({ states: statesWith(3, (state) => state + 4_096) }),
  'delta-half-left-over': segment({ halves: more(sound.halves, 0, 0) }),
  'delta-half-missing': segment({ halves: sound.halves.subarray(0, -2) }),
  'delta-raw-byte-left-over': segment({ raw: more(sound.raw, 0) }),
  'delta-raw-byte-missing': segment({ raw: sound.raw.subarray(0, -1) }),
  'delta-raw-bit-left-over': segment({ raw: Uint8Array.of(...sound.raw.subarray(0, -1), 0x80) }),
  'delta-more-halves-than-elements': segment({ halves: new Uint8Array(22) }),
  'delta-more-raw-bytes-than-elements': segment({ raw: new Uint8Array(41) }),
  'delta-halves-of-2-32-less-1': segment({}, { words: 2 ** 32 - 1 }),
  'delta-raw-bytes-of-2-32-less-1': segment({}, { bytes: 2 ** 32 - 1 }),
  'delta-context-without-tokens': headed('words', { weights: [weights({})] }),
  'delta-second-context-without-tokens': headed('words', { weights: [weights({ 0: 1 }), weights({})] }),
  'delta-weight-of-14-bits': headed('words', { weights: [weights({ 0: 2 ** 13 })] }),
  'delta-more-tokens-than-frequencies': headed('grid', {
    weights: [new Uint16Array(256).fill(1, 0, 200).fill(2 ** 13 - 1, 200)],
  }),
  'delta-lines-in-a-shared-segment': headed('words', { lines: flat }, false),
  'delta-split-of-a-dimension-too-many': headed('grid', { lines: { ...grid, split: 2 } }),
  'delta-more-columns-than-2-18': tooWide(),
  'delta-offset-of-4097': headed('grid', withRow(4_097)),
  'delta-offset-below-4096': headed('grid', withRow(-4_097)),
  'delta-offset-of-a-column-of-4097': headed('grid', {
    lines: { ...grid, columns: grid.columns.map((_, i) => (i === 64 ? 4_097 : 0)) },
  }),
  'delta-kept-columns-of-new-elements': keptColumns(),
  'delta-origin-of-8751': headed('words', { origin: 8_751 }),
  'delta-origin-below-8750': headed('words', { origin: -8_751 }),
  'delta-zeros-23': headed('bias', { dropped: 23 }),
  'delta-top-of-a-class-too-many': headed('bias', { isNew: true, top: 279 }),
  'delta-top-of-2-32-less-1': headed('bias', { isNew: true, top: 2 ** 32 - 1 }),
  'delta-names-of-a-code-of-2-30': withRecords([delta(joinRecord(Uint8Array.of(0x40), joinSegment(sound)))]),
  'delta-result-mismatch': withRecords([delta(record(sound))], { code: 'result-mismatch' }),
  'delta-on-another-base': onAnotherBase(),
};
