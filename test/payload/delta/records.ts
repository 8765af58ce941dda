import { canonicalOrder, elementCount, type Tensor, wordBytes, wordsOf } from '../../../src/model/tensor.js';
import { sourceOf } from '../../../src/payload/byte-source.js';
import { DiffReader } from '../../../src/payload/decode.js';
import { PlainSegmentDecoder } from '../../../src/payload/delta/decoder.js';
import type { TensorModel } from '../../../src/payload/delta/models.js';
import { DeltaWriter } from '../../../src/payload/delta/writer.js';
import type { SetOp } from '../../../src/payload/diff.js';
import { concat } from '../../support.js';

/** A tensor of a delta record, before and after. */
export interface Pair {
  readonly tensor: Tensor;
  readonly next: Uint8Array;
  readonly model: TensorModel;
}

/** @returns the number of elements of the next run, at least 1 and at most `left` */
export type Split = (left: number) => number;

/** Runs of a tensor's elements, in words: consecutive, as long as the split says. */
function* runsOf(tensor: Tensor, split: Split): Generator<{ start: number; end: number }> {
  const count = elementCount(wordsOf(tensor));
  for (let start = 0; start < count; ) {
    const end = start + split(count - start);
    yield { start, end };
    start = end;
  }
}

const inOrder = (pairs: readonly Pair[]): Pair[] =>
  canonicalOrder(pairs.map(({ tensor }) => tensor)).map(
    ({ name }) => pairs.find(({ tensor }) => tensor.name === name) as Pair,
  );

/** Writes a delta record of all tensors, run by run. */
export function writeRecord(pairs: readonly Pair[], split: Split = (left) => left): Uint8Array {
  const ordered = inOrder(pairs).map((pair) => ({ ...pair, info: wordsOf(pair.tensor) }));
  const parts: Uint8Array[] = [];
  const infos = ordered.map(({ info }) => info);
  const tensors = ordered.map(({ info, model }) => ({ info, model }));
  const writer = new DeltaWriter(infos, tensors, { sink: (bytes) => parts.push(bytes.slice()) });
  for (const { tensor, info, next } of ordered) {
    const size = wordBytes(info);
    for (const { start, end } of runsOf(tensor, split)) {
      const [before, after] = [tensor.bytes, next].map((bytes) => bytes.slice(start * size, end * size));
      writer.write(info, {
        byteOffset: start * size,
        before: before as Uint8Array,
        after: after as Uint8Array,
      });
    }
  }
  return concat(...parts);
}

/** Serves all records that `readRecord` reads, one after another, those that are refused among them. */
const decoder = new PlainSegmentDecoder();

/**
 * Reads a delta record, run by run.
 *
 * @returns the elements of each tensor, in canonical order
 */
export function readRecord(
  record: Uint8Array,
  tensors: readonly Tensor[],
  split: Split = (left) => left,
): Uint8Array[] {
  const ordered = canonicalOrder(tensors);
  const reader = new DiffReader(
    { records: [{ kind: 'delta', bytes: sourceOf(record) }] },
    ordered,
    () => decoder,
  );
  return ordered.map((tensor) => {
    const size = wordBytes(wordsOf(tensor));
    const read = [...runsOf(tensor, split)].flatMap(({ start, end }) => {
      const base = tensor.bytes.slice(start * size, end * size);
      return (reader.read(tensor, { start, end, base }) as SetOp[]).map(({ bytes }) => bytes.slice());
    });
    return concat(...read);
  });
}
