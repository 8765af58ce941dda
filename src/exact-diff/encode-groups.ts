import { byteLength, DTYPES, elementCount, type TensorInfo } from '../model/tensor.js';
import { MAX_PAYLOAD_BYTES } from '../payload/limits.js';
import type { WorkOptions } from './compare-stores.js';
import {
  type ChangedTensor,
  type CodedTensor,
  type Consumer,
  type EncodedRecord,
  type Lane,
  RUN_BYTES,
} from './lane.js';
import { PairReader, type StorePair } from './pairs.js';
import { type Spool, type SpooledRecord, SpooledRecords, tooLarge } from './spooled-records.js';

/** What is estimated to be larger by less may fit: it is coded, and counted. */
const ESTIMATE_SLACK = 1.1;

/** A lane, and what reads the models for it. */
export interface LaneReader {
  readonly lane: Lane;
  readonly reader: PairReader;
}

/** Parts of a model that are coded side by side. */
export interface GroupJob {
  readonly lanes: readonly LaneReader[];
  /** The model's tensors, in canonical order. */
  readonly infos: readonly TensorInfo[];
}

/**
 * @returns a station for each lane
 * @throws RangeError for no lanes
 */
export function createLaneReaders(lanes: readonly Lane[], stores: StorePair): LaneReader[] {
  if (lanes.length === 0)
    throw new RangeError('Cannot diff: expected a coder with at least one lane, got none');
  return lanes.map((lane) => ({ lane, reader: new PairReader(stores, RUN_BYTES) }));
}

/**
 * Finds how each tensor is coded.
 *
 * @throws NeuralDiffError `limit-exceeded` when the payload would clearly be larger than payloads may be
 */
export async function chooseCodings(
  { lanes: stations }: GroupJob,
  groups: readonly ChangedTensor[][],
  options: WorkOptions,
): Promise<CodedTensor[][]> {
  const coded = await inLanes({ stations, options }, groups, async (station, group, own) => {
    const chosen: CodedTensor[] = [];
    for (const tensor of group) {
      chosen.push(await choose(station, tensor, own.signal));
      own.onBytes(byteLength(tensor.info));
    }
    return chosen;
  });
  const bytes = coded.flat().reduce((sum, tensor) => sum + tensor.bytes, 0);
  if (bytes > ESTIMATE_SLACK * MAX_PAYLOAD_BYTES) throw tooLarge(bytes / ESTIMATE_SLACK);
  return coded;
}

async function choose(
  { lane, reader }: LaneReader,
  tensor: ChangedTensor,
  signal: AbortSignal | undefined,
): Promise<CodedTensor> {
  const choice = lane.choose(tensor);
  return orAbandon(choice, async () => {
    for (const { info, ...run } of piecesOf(tensor.info, tensor.count)) {
      signal?.throwIfAborted();
      await choice.push(info, await reader.borrow(tensor.info, run));
    }
    return choice.finish();
  });
}

/**
 * Writes records, a chunk of the models at a time: for each group one of exact ops, and one of set ops for tensors of which nothing is left.
 *
 * @returns the records of each group, in the spool
 */
export async function encodeGroups(
  { lanes: stations, infos }: GroupJob,
  groups: readonly CodedTensor[][],
  { spool, ...options }: WorkOptions & { spool: Spool },
): Promise<EncodedRecord[][]> {
  const records = new SpooledRecords(spool);
  const written = await inLanes({ stations, options }, groups, async (station, group, work) => {
    const own: SpooledRecord[] = [];
    for (const kind of ['exact', 'set'] as const) {
      const tensors = group.filter((tensor) => tensor.kind === kind);
      if (tensors.length === 0) continue;
      const record = records.open(kind);
      const writer = station.lane.write({ kind, infos, tensors }, record.sink);
      await walkInto(writer, { reader: station.reader, tensors }, work);
      own.push(record);
    }
    return own;
  });
  return written.map((own) => own.map((record) => record.finish()));
}

/** Decodes the records of each group, and tries them on the base. */
export async function checkGroups(
  { lanes: stations, infos }: GroupJob,
  groups: readonly { tensors: readonly CodedTensor[]; records: readonly EncodedRecord[] }[],
  options: WorkOptions,
): Promise<void> {
  await inLanes({ stations, options }, groups, ({ lane, reader }, { tensors, records }, own) =>
    walkInto(lane.check({ records, infos }), { reader, tensors }, own),
  );
}

/** Hands all elements of some tensors on, a chunk at a time. */
async function walkInto(
  taker: Consumer<void>,
  { reader, tensors }: { reader: PairReader; tensors: readonly CodedTensor[] },
  { signal, onBytes }: WorkOptions,
): Promise<void> {
  await orAbandon(taker, async () => {
    for (const { info } of tensors) {
      for await (const pair of reader.walk(info, signal)) {
        await taker.push(info, pair);
        onBytes(pair.after.length);
      }
    }
    await taker.finish();
  });
}

/** Whatever fails, nothing of the work is under way any more when this throws. */
async function orAbandon<R>(taker: Consumer<unknown>, work: () => Promise<R>): Promise<R> {
  try {
    return await work();
  } catch (error) {
    await taker.abandon?.();
    throw error;
  }
}

/**
 * Does work side by side, a piece at a station at a time.
 *
 * @param run gets options whose signal says stop when another piece has failed, too
 * @returns what came of each item, in order
 * @throws what failed first, when all stations stand still
 */
async function inLanes<T, R>(
  { stations, options }: { stations: readonly LaneReader[]; options: WorkOptions },
  items: readonly T[],
  run: (station: LaneReader, item: T, options: WorkOptions) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const stop = new AbortController();
  const forward = (): void => stop.abort(options.signal?.reason);
  if (options.signal?.aborted) forward();
  options.signal?.addEventListener('abort', forward);
  const left = items.entries();
  const work = async (station: LaneReader): Promise<void> => {
    for (const [i, item] of left) {
      stop.signal.throwIfAborted();
      results[i] = await run(station, item, { ...options, signal: stop.signal });
    }
  };
  await Promise.all(stations.map((station) => work(station).catch((error) => stop.abort(error))));
  options.signal?.removeEventListener('abort', forward);
  // Of all failures the first is the reason.
  stop.signal.throwIfAborted();
  return results;
}

/** Bytes of tensors that are coded together: what a record learns is short beside them. */
const GROUP_BYTES = 2 ** 25;

/** Groups at most, about: each takes up to two of a payload's 256 records. */
const MOST_GROUPS = 100;

/**
 * Cuts a model into parts that may be coded side by side. They depend on the tensors that changed alone, so that payloads do not
 * depend on how many threads there are.
 *
 * @param changed in canonical order
 * @returns tensors that follow one another
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

/** Elements of a tensor of which all are tried, and the most of a piece of others. */
const PIECE_ELEMENTS = 2 ** 17;

/** Pieces of a tensor that is not tried as a whole, and changes in a piece, about: more tell no more, and coding them takes time. */
const PIECES = 8;
const PIECE_CHANGES = 2 ** 15;

/** Whole rows of a tensor, as a tensor of their own; where they lie in it, in bytes. */
export interface Piece {
  readonly info: TensorInfo;
  readonly start: number;
  readonly end: number;
}

/**
 * @param count elements that differ
 * @returns pieces of a tensor from its first to its last rows, to try ways of coding on; all of it when it is small
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

/** A piece's shape: as many dimensions as the tensor's, the first ones shortened; its rows, and elements of one. */
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
