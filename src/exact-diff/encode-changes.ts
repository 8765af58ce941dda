import { CHUNK_BYTES, canonicalOrder, DTYPES, type TensorInfo } from '../model/index.js';
import { beyondLimit, SetWriter, SparseWriter } from '../payload/encode.js';
import type { OpenPayload } from '../payload/index.js';
import { MAX_PAYLOAD_BYTES, sliceOf } from '../payload/index.js';
import { PairReader, type StorePair } from './borrow-pairs.js';
import { type CodedTensor, chooseCoding } from './choose-coding.js';
import type { Comparison, WorkOptions } from './compare-stores.js';
import { differences, roomFor } from './differences.js';
import { Sampler } from './sample.js';
import type { Spool } from './spool.js';

type Records = OpenPayload['records'][number][];

/**
 * Writes records for all tensors that differ, a chunk at a time: one of exact ops, and one of set ops for tensors of which nothing
 * is left.
 *
 * @returns the records, in the spool
 */
export async function encodeChanges(
  stores: StorePair,
  { changed, spool }: Pick<Comparison, 'changed'> & { spool: Spool },
  options: WorkOptions,
): Promise<Records> {
  const reader = new PairReader(stores);
  const coded = await chooseCodings(reader, changed, options);
  const job = { reader, infos: canonicalOrder(stores.base.tensors), options };
  const records: { kind: 'exact' | 'set'; end: number }[] = [];
  const counted = countInto(spool);
  const { sink } = counted;
  for (const kind of ['exact', 'set'] as const) {
    const own = coded.filter((tensor) => tensor.kind === kind);
    if (own.length === 0) continue;
    await (kind === 'exact' ? writeExact : writeSet)({ ...job, sink }, own);
    records.push({ kind, end: counted.length() });
  }
  const written = spool.read();
  return records.map(({ kind, end }, i) => ({
    kind,
    bytes: sliceOf(written, records[i - 1]?.end ?? 0, end),
  }));
}

/**
 * Writes into a spool, and counts.
 *
 * @returns a sink that throws `limit-exceeded` as soon as there is more than payloads may have, not when all is coded and checked
 */
export function countInto(spool: Pick<Spool, 'write'>): {
  sink(bytes: Uint8Array): void;
  length(): number;
} {
  let length = 0;
  return {
    sink(bytes) {
      length += bytes.length;
      if (length > MAX_PAYLOAD_BYTES) throw beyondLimit('bytes of a payload', MAX_PAYLOAD_BYTES, length);
      spool.write(bytes);
    },
    length: () => length,
  };
}

async function chooseCodings(
  reader: PairReader,
  changed: Comparison['changed'],
  { signal }: WorkOptions,
): Promise<CodedTensor[]> {
  const sampler = new Sampler(reader);
  const coded: CodedTensor[] = [];
  for (const each of changed) {
    signal?.throwIfAborted();
    coded.push(await chooseCoding(sampler, each));
  }
  return coded;
}

/** What writing a record takes. */
interface Job {
  readonly reader: PairReader;
  readonly infos: readonly TensorInfo[];
  readonly options: WorkOptions;
  readonly sink: (bytes: Uint8Array) => void;
}

async function writeExact(
  { reader, infos, options, sink }: Job,
  coded: readonly CodedTensor[],
): Promise<void> {
  const tensors = new Set(coded.map(({ info }) => info.name));
  const writer = new SparseWriter(infos, { kind: 'exact', tensors, sink });
  const room = roomFor(CHUNK_BYTES / Math.min(...coded.map(({ info }) => DTYPES[info.dtype].bytes)));
  for (const { info, head } of coded) {
    const size = DTYPES[info.dtype].bytes;
    writer.open(info, head);
    for await (const { byteOffset, before, after } of reader.walk(info, options.signal)) {
      const first = byteOffset / size;
      writer.write(differences(info, { before, after, first }, room), first + before.length / size);
      options.onBytes(before.length);
    }
  }
  sink(writer.finish());
}

async function writeSet({ reader, infos, options, sink }: Job, coded: readonly CodedTensor[]): Promise<void> {
  const tensors = new Set(coded.map(({ info }) => info.name));
  const writer = new SetWriter(infos, { tensors, sink });
  for (const { info } of coded) {
    for await (const { after } of reader.walk(info, options.signal)) {
      writer.write(info, after);
      options.onBytes(after.length);
    }
  }
  sink(writer.finish());
}
