import { byteLength, DTYPES, elementCount, type TensorInfo } from '../model/tensor.js';
import { SHARED_BELOW, SHARED_ELEMENTS } from '../payload/delta/segments.js';
import { MAX_PAYLOAD_BYTES } from '../payload/limits.js';
import type { ChangedTensor, CodedTensor } from './coding-trial.js';
import type { WorkOptions } from './compare-stores.js';
import { type Consumer, type EncodedRecord, type Lane, RUN_BYTES } from './lane.js';
import { groupBy } from './match/match-names.js';
import { PairReader, type StorePair } from './pairs.js';
import { type Spool, type SpooledRecord, SpooledRecords, tooLarge } from './spooled-records.js';

/** An estimate above the limit by less than this factor may still fit, so the real size decides. */
const ESTIMATE_SLACK = 1.1;

/** A lane and the reader that feeds it. */
interface LaneReader {
  readonly lane: Lane;
  readonly reader: PairReader;
}

/** What a group of tensors needs to be coded in parallel with others. */
export interface GroupJob {
  readonly lanes: readonly LaneReader[];
  /** The model's tensors, in canonical order. */
  readonly infos: readonly TensorInfo[];
}

/**
 * Creates one reader per lane.
 *
 * @throws RangeError if there are no lanes
 */
export function createLaneReaders(lanes: readonly Lane[], stores: StorePair): LaneReader[] {
  if (lanes.length === 0)
    throw new RangeError('Cannot diff: expected a coder with at least one lane, got none');
  return lanes.map((lane) => ({ lane, reader: new PairReader(stores, RUN_BYTES) }));
}

/**
 * Chooses the coding of each tensor.
 *
 * @throws NeuralDiffError `limit-exceeded` if the payload would clearly exceed the largest payload
 */
export async function chooseCodings(
  { lanes }: GroupJob,
  groups: readonly ChangedTensor[][],
  options: WorkOptions,
): Promise<CodedTensor[][]> {
  const coded = await inLanes({ lanes, options }, groups, async (lane, group, own) => {
    const chosen = new Map<string, CodedTensor>();
    for (const family of familiesOf(group)) {
      for (const coded of await chooseAlike(lane, family, own)) chosen.set(coded.info.name, coded);
    }
    return group.map(({ info }) => chosen.get(info.name) as CodedTensor);
  });
  const bytes = coded.flat().reduce((sum, tensor) => sum + tensor.bytes, 0);
  if (bytes > ESTIMATE_SLACK * MAX_PAYLOAD_BYTES) throw tooLarge(bytes / ESTIMATE_SLACK);
  return coded;
}

/** Most elements of tensors that are tried together. */
const TRIED_TOGETHER = SHARED_ELEMENTS;

/**
 * Chooses the coding of tensors that may be coded alike: the first ones decide, where these are best coded
 * together.
 */
async function chooseAlike(
  lane: LaneReader,
  family: readonly ChangedTensor[],
  { signal, onBytes }: WorkOptions,
): Promise<CodedTensor[]> {
  const coded: CodedTensor[] = [];
  for (let start = 0; start < family.length; ) {
    let [end, elements] = [start, 0];
    for (; end < family.length && (end === start || elements < TRIED_TOGETHER); end++)
      elements += elementCount((family[end] as ChangedTensor).info);
    const tried = family.slice(start, end);
    const found = await choose(lane, tried, signal);
    coded.push(...found);
    for (const { info } of tried) onBytes(byteLength(info));
    start = end;
    const [first] = found;
    if (tried.length === 1 || first?.kind !== 'delta') continue;
    const bytesPerElement = found.reduce((sum, { bytes }) => sum + bytes, 0) / elements;
    for (const { info } of family.slice(end)) {
      coded.push({ ...first, info, bytes: bytesPerElement * elementCount(info) });
      onBytes(byteLength(info));
    }
    break;
  }
  return coded;
}

/** @returns large tensors one by one, and small ones of one dtype together */
function familiesOf(group: readonly ChangedTensor[]): ChangedTensor[][] {
  const families = groupBy(group, ({ info }) => [
    elementCount(info) < SHARED_BELOW ? info.dtype : `large ${info.name}`,
  ]);
  return [...families.values()];
}

async function choose(
  { lane, reader }: LaneReader,
  tensors: readonly ChangedTensor[],
  signal: AbortSignal | undefined,
): Promise<CodedTensor[]> {
  const trial = lane.choose(tensors);
  return orAbandon(trial, async () => {
    for (const tensor of tensors)
      for (const { info, ...run } of piecesOf(tensor.info, tensor.count)) {
        signal?.throwIfAborted();
        await trial.push(info, await reader.borrow(tensor.info, run));
      }
    return trial.finish();
  });
}

/**
 * @returns the tensors of each record of a group: of one kind each, and those of delta records large ones, or
 *   small ones of one dtype, which share segments
 */
function recordsOf(group: readonly CodedTensor[]): CodedTensor[][] {
  const records = groupBy(group, ({ kind, info }) => {
    const isSmall = kind === 'delta' && elementCount(info) < SHARED_BELOW;
    return [isSmall ? `${kind} ${info.dtype}` : kind];
  });
  return [...records.values()];
}

/**
 * Writes the records of each group, reading the models chunk by chunk.
 *
 * @returns the records of each group, in the spool
 */
export async function encodeGroups(
  { lanes, infos }: GroupJob,
  groups: readonly CodedTensor[][],
  { spool, ...options }: WorkOptions & { spool: Spool },
): Promise<EncodedRecord[][]> {
  const records = new SpooledRecords(spool);
  const written = await inLanes({ lanes, options }, groups, async ({ lane, reader }, group, work) => {
    const own: SpooledRecord[] = [];
    for (const tensors of recordsOf(group)) {
      const [{ kind }] = tensors as [CodedTensor];
      const record = records.open(kind);
      const writer = lane.write({ kind, infos, tensors }, record.sink);
      await walkInto(writer, { reader, tensors }, work);
      own.push(record);
    }
    return own;
  });
  return written.map((own) => own.map((record) => record.finish()));
}

/** Decodes the records of each group and verifies them on the base. */
export async function checkGroups(
  { lanes, infos }: GroupJob,
  groups: readonly { tensors: readonly CodedTensor[]; records: readonly EncodedRecord[] }[],
  options: WorkOptions,
): Promise<void> {
  await inLanes({ lanes, options }, groups, ({ lane, reader }, { tensors, records }, own) =>
    walkInto(lane.check({ records, infos }), { reader, tensors }, own),
  );
}

/** Pushes all elements of some tensors into a consumer, chunk by chunk. */
async function walkInto(
  consumer: Consumer<void>,
  { reader, tensors }: { reader: PairReader; tensors: readonly CodedTensor[] },
  { signal, onBytes }: WorkOptions,
): Promise<void> {
  await orAbandon(consumer, async () => {
    for (const { info } of tensors) {
      for (const reading of reader.walk(info, signal)) {
        const pair = await reading;
        await consumer.push(info, pair);
        onBytes(pair.after.length);
      }
    }
    await consumer.finish();
  });
}

/**
 * Runs work with a consumer; on failure, abandons the consumer and waits until it is idle before rethrowing.
 */
async function orAbandon<R>(consumer: Consumer<unknown>, work: () => Promise<R>): Promise<R> {
  try {
    return await work();
  } catch (error) {
    await consumer.abandon?.();
    throw error;
  }
}

/**
 * Processes items in parallel, one at a time per lane.
 *
 * @param run is given options whose signal also aborts when another item has failed
 * @returns the result of each item, in order
 * @throws the first failure, once all lanes are idle
 */
async function inLanes<T, R>(
  { lanes, options }: { lanes: readonly LaneReader[]; options: WorkOptions },
  items: readonly T[],
  run: (lane: LaneReader, item: T, options: WorkOptions) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const stop = new AbortController();
  const forward = (): void => stop.abort(options.signal?.reason);
  if (options.signal?.aborted) forward();
  options.signal?.addEventListener('abort', forward);
  const remaining = items.entries();
  const work = async (lane: LaneReader): Promise<void> => {
    for (const [i, item] of remaining) {
      stop.signal.throwIfAborted();
      results[i] = await run(lane, item, { ...options, signal: stop.signal });
    }
  };
  await Promise.all(lanes.map((lane) => work(lane).catch((error) => stop.abort(error))));
  options.signal?.removeEventListener('abort', forward);
  // `abort` keeps the first reason only.
  stop.signal.throwIfAborted();
  return results;
}

/** Least bytes of a group of tensors: the adaptive coder's learning cost is small in comparison. */
const GROUP_BYTES = 2 ** 25;

/** Most groups, approximately: each takes three or four of a payload's 256 records, rarely more. */
const MOST_GROUPS = 50;

/**
 * Splits a model into groups of consecutive tensors that can be coded in parallel. The groups depend only on
 * the changed tensors, so that the payload does not depend on the number of threads.
 *
 * @param changed in canonical order
 */
export function groupTensors(changed: readonly ChangedTensor[]): ChangedTensor[][] {
  const total = changed.reduce((sum, { info }) => sum + byteLength(info), 0);
  const least = Math.max(GROUP_BYTES, total / MOST_GROUPS);
  const groups: ChangedTensor[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const tensor of changed) {
    if (bytes >= least) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)?.push(tensor);
    bytes += byteLength(tensor.info);
  }
  return groups;
}

/** Tensors up to this size are tried as a whole; larger ones in pieces of at most this many elements. */
const PIECE_ELEMENTS = 2 ** 17;

/**
 * Approximate number of pieces tried of a large tensor, and of changes in each: more would only take time.
 */
const PIECES = 8;
const PIECE_CHANGES = 2 ** 15;

/** Whole rows of a tensor as a separate tensor, with their byte range in the original. */
interface Piece {
  readonly info: TensorInfo;
  readonly start: number;
  readonly end: number;
}

/**
 * Picks evenly spaced pieces of a tensor on which to try codings; all of it if it is small.
 *
 * @param count elements that differ
 */
export function piecesOf(info: TensorInfo, count: number): Piece[] {
  const elements = elementCount(info);
  const enough = Math.max(PIECE_CHANGES, Math.floor((PIECE_CHANGES * elements) / count));
  const { shape, rows, inner } = shorten(
    info.shape,
    elements <= PIECE_ELEMENTS ? PIECE_ELEMENTS : Math.min(PIECE_ELEMENTS, enough),
  );
  const last = elements / inner - rows;
  const pieces = Math.min(PIECES, 1 + Math.ceil(last / rows));
  const size = inner * DTYPES[info.dtype].bytes;
  return Array.from({ length: pieces }, (_, i) => {
    const row = pieces === 1 ? 0 : Math.floor((last * i) / (pieces - 1));
    return { info: { ...info, shape }, start: row * size, end: (row + rows) * size };
  });
}

/**
 * Shortens the first dimensions of a shape to at most `most` elements; `inner` is the elements of one row.
 */
function shorten(
  shape: readonly number[],
  most: number,
): { shape: readonly number[]; rows: number; inner: number } {
  const innerOf = (axis: number): number =>
    shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  let axis = 0;
  while (innerOf(axis) > most) axis++;
  const inner = innerOf(axis);
  const rows = Math.min(shape[axis] ?? 1, Math.floor(most / inner));
  return { shape: shape.map((size, i) => (i < axis ? 1 : i === axis ? rows : size)), rows, inner };
}
