import { describe, expect, test } from 'vitest';
import {
  forgeHead,
  forgeNames,
  headWith,
  joinRecord,
  joinSegment,
  scopeOf,
} from '../../../scripts/forge-delta.js';
import { NeuralDiffError } from '../../../src/model/errors.js';
import type { Tensor, TensorInfo } from '../../../src/model/tensor.js';
import { sourceOf } from '../../../src/payload/byte-source.js';
import { DiffReader } from '../../../src/payload/decode.js';
import { codeOf, createRandom, seededTensor } from '../../support.js';
import { type Pair, readRecord, writeRecord } from './records.js';

/** A next of a tensor: some elements with another lowest byte. */
function changed(tensor: Tensor, model: Pair['model'], share = 0.3): Pair {
  const random = createRandom(9);
  const next = tensor.bytes.map((byte) => (random() < share * 2 ** 32 ? byte ^ (random() & 7) : byte));
  return { tensor, next, model };
}

const DIFFERENCES = { isNew: false, isBased: true };
const NEW = { isNew: true, isBased: true };

const RECORDS: Readonly<Record<string, readonly Pair[]>> = {
  differences: [
    changed(seededTensor('a', 'float32', [3, 4]), DIFFERENCES),
    changed(seededTensor('b', 'uint8', [9]), DIFFERENCES),
    changed(seededTensor('c', 'int16', []), DIFFERENCES),
    changed(seededTensor('d', 'int16', [20]), DIFFERENCES),
  ],
  'new elements': [
    changed(seededTensor('a', 'float32', [12]), NEW),
    changed(seededTensor('b', 'bfloat16', [7, 2]), NEW),
    changed(seededTensor('c', 'int32', [5]), NEW),
  ],
  lines: [
    changed(seededTensor('a', 'int8', [32, 130]), { ...DIFFERENCES, lines: { split: 1, step: 2 } }, 0.005),
  ],
};

/** Reads a record; fails on any error that is not a refusal, and on elements too many or too few. */
function tryToRead(record: Uint8Array, tensors: readonly Tensor[]): 'refused' | 'read' {
  try {
    const read = readRecord(record, tensors);
    expect(read.map(({ length }) => length)).toEqual(tensors.map(({ bytes }) => bytes.length));
    return 'read';
  } catch (error) {
    if (!(error instanceof NeuralDiffError)) throw error;
    expect(['corrupt-payload', 'limit-exceeded']).toContain(error.code);
    return 'refused';
  }
}

/** The values that a byte is changed to: some bits, none, and all. */
const changes = (byte: number): number[] =>
  [byte ^ 1, byte ^ 8, byte ^ 0x80, 0, 0xff].filter((to) => to !== byte);

describe.each(Object.entries(RECORDS))('a delta record of %s', (_, pairs) => {
  const record = writeRecord(pairs);
  const tensors = pairs.map(({ tensor }) => tensor);

  test('with any byte changed, is refused or gives other elements', () => {
    const outcomes = { refused: 0, read: 0 };
    for (let at = 0; at < record.length; at++) {
      for (const to of changes(record[at] as number)) {
        const other = record.slice();
        other[at] = to;
        outcomes[tryToRead(other, tensors)]++;
      }
    }
    expect(outcomes.refused).toBeGreaterThan(0);
    // The record itself is still read: no refused one has spoilt the decoder.
    expect(readRecord(record, tensors)).toEqual(pairs.map(({ next }) => next));
  });

  test('cut anywhere, or with a byte behind its end, is refused', () => {
    for (let end = 0; end < record.length; end++)
      expect(tryToRead(record.subarray(0, end), tensors)).toBe('refused');
    expect(tryToRead(Uint8Array.of(...record, 0), tensors)).toBe('refused');
  });

  test('with bytes removed, doubled or inserted, is refused or gives other elements', () => {
    const random = createRandom(12);
    for (let i = 0; i < 200; i++) {
      const from = random() % record.length;
      const to = Math.min(record.length, from + (random() % 9));
      const part = record.subarray(from, to);
      const middle = [[], [...part, ...part], [random() & 0xff, ...part]][random() % 3] as number[];
      tryToRead(Uint8Array.of(...record.subarray(0, from), ...middle, ...record.subarray(to)), tensors);
    }
  });
});

const huge: TensorInfo = { name: 'w', dtype: 'float32', shape: [3, 5, 2 ** 16 + 1, 4_369] };

/** @returns bytes that the call takes next to those there were */
async function memoryOf(call: () => unknown): Promise<number> {
  const used = () => process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
  const before = used();
  await call();
  return used() - before;
}

/** Reads the first elements of a segment of the huge tensor, of zeros. */
function readHuge(segment: Uint8Array): Promise<string> {
  const record = joinRecord(forgeNames([huge], 'w'), segment);
  const run = { start: 0, end: 2 ** 13, base: new Uint8Array(2 ** 15) };
  return codeOf(() =>
    new DiffReader({ records: [{ kind: 'delta', bytes: sourceOf(record) }] }, [huge]).read(huge, run),
  );
}

test('a segment of the largest tensor takes the memory of its elements, whatever its lengths say', async () => {
  const scope = { ...scopeOf(huge), elements: 2 ** 18 };
  const states = new Uint8Array(Uint32Array.from({ length: 8 }, () => 2 ** 15).buffer);
  const none = { states, halves: new Uint8Array(), raw: new Uint8Array() };
  const plain = { ...none, head: forgeHead(scope, headWith()) };
  const wide = { split: 1, step: 1, isRepeated: false, rows: new Int16Array(1), columns: new Int16Array(1) };
  const bytes = await memoryOf(async () => {
    for (const lengths of [
      { words: 2 ** 18, bytes: 2 ** 20 },
      { words: 2 ** 18 + 1 },
      { bytes: 2 ** 20 + 1 },
      { words: 2 ** 32 - 1, bytes: 2 ** 32 - 1 },
    ])
      expect(await readHuge(joinSegment(plain, lengths))).toBe('corrupt-payload');
    const lines = forgeHead(scope, headWith({ lines: wide }));
    expect(await readHuge(joinSegment({ ...none, head: lines }))).toBe('corrupt-payload');
  });
  expect(bytes).toBeLessThan(60_000_000);
});
