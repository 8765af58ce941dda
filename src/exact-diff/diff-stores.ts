import type { Progress } from '../model/progress.js';
import { openMemoryStore, type WeightStore } from '../model/store.js';
import { byteLength, canonicalOrder, type Model, type Tensor, totalBytes } from '../model/tensor.js';
import type { ExactOp, Meta } from '../payload/diff.js';
import { framePayload, joinPieces } from '../payload/encode.js';
import { layoutOf } from '../payload/header.js';
import { checkSameTensors, compareStores, type WorkOptions } from './compare-stores.js';
import {
  checkGroups,
  chooseCodings,
  createLaneReaders,
  encodeGroups,
  type GroupJob,
  groupTensors,
} from './encode-groups.js';
import { type ChangedTensor, type Coder, createLane, type EncodedRecord, type Lane } from './lane.js';
import { differences, type StorePair } from './pairs.js';
import { createMemorySpool, type Spool } from './spooled-records.js';

/** What `diffStores` takes beside the models. */
export interface DiffOptions {
  /** Metadata of the payload; none unless given. */
  readonly meta?: Meta;
  /** Where the payload waits until its length is known; in memory unless given. */
  readonly spool?: Spool;
  /** What codes large models side by side; this thread alone unless given. The payload is the same. */
  readonly coder?: Coder | undefined;
  readonly signal?: AbortSignal | undefined;
  /**
   * How many bytes are done: `match` reads tensors whose names differ, `cast` those of other dtypes, `compare` both models,
   * `choose` parts of the tensors that differ, `encode` and `check` all of them.
   */
  readonly onProgress?: (
    progress: Progress<'match' | 'cast' | 'compare' | 'choose' | 'encode' | 'check'>,
  ) => void;
}

type DiffPhase = Parameters<NonNullable<DiffOptions['onProgress']>>[0]['phase'];

/** A lossless diff of two models, and its payload in pieces. */
export interface StoreDiff {
  /** Pieces of the payload file, in order; the spool must last until the last one. */
  readonly pieces: AsyncIterable<Uint8Array>;
  /** Bytes of the payload file. */
  readonly payloadBytes: number;
  /** Fingerprints in hexadecimal digits. */
  readonly base: string;
  readonly next: string;
  readonly changedTensors: number;
  /** Elements whose bits differ. */
  readonly changedWeights: number;
}

/**
 * Packs the difference of two models, wherever they were trained: a payload that makes the second of the first, bit for bit,
 * NaN payloads and signs of zeros included. Elements are subtracted in the order of their values, so that what training
 * moved a little takes few bits. Both models are read a chunk at a time, however large they are, and the payload is
 * tried on the base. Tensors that follow one another, 32 MiB or more, are coded together; such groups side by side.
 *
 * @param base the model on the devices
 * @param next the model that they should have: tensors of the same names, dtypes and shapes, in any order
 * @throws NeuralDiffError `wrong-layout` where the tensors disagree, `limit-exceeded` for more than payloads may have; whatever the stores throw; the signal's reason
 *
 * @example
 * const { pieces, payloadBytes } = await diffStores(await openModel('v1'), await openModel('v2'));
 */
export async function diffStores(
  base: WeightStore,
  next: WeightStore,
  options: DiffOptions = {},
): Promise<StoreDiff> {
  checkSameTensors(base.tensors, next.tensors);
  const stores: StorePair = { base, next };
  // Stores may say more of their tensors, which threads need not be told.
  const infos = canonicalOrder(base.tensors).map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  const found = await compareStores(stores, infos, follow('compare', totalBytes(infos), options));
  const { changed } = found;
  const header = {
    ...{ base: found.base, next: found.next },
    ...{ layout: await layoutOf(infos), meta: options.meta ?? {} },
  };
  const records = changed.length === 0 ? [] : await recordChanges(stores, { changed, infos }, options);
  return {
    ...framePayload(header, records),
    ...{ base: found.base, next: found.next },
    changedTensors: changed.length,
    changedWeights: changed.reduce((sum, { count }) => sum + count, 0),
  };
}

/** @returns records, in the spool, that are tried on the base */
async function recordChanges(
  stores: StorePair,
  { changed, infos }: { changed: readonly ChangedTensor[]; infos: GroupJob['infos'] },
  options: DiffOptions,
): Promise<EncodedRecord[]> {
  const { spool = createMemorySpool(), coder } = options;
  const groups = groupTensors(changed);
  const bytes = changed.reduce((sum, { info }) => sum + byteLength(info), 0);
  const record = async (lanes: readonly Lane[]): Promise<EncodedRecord[]> => {
    const work = { lanes: createLaneReaders(lanes, stores), infos };
    const coded = await chooseCodings(work, groups, follow('choose', bytes, options));
    const written = await encodeGroups(work, coded, { ...follow('encode', bytes, options), spool });
    const pairs = coded.map((tensors, i) => ({ tensors, records: written[i] as EncodedRecord[] }));
    await checkGroups(work, pairs, follow('check', bytes, options));
    return written.flat();
  };
  // One group is not worth a thread.
  return coder && groups.length > 1 ? coder.use(record) : record([createLane()]);
}

/** @returns how some phase of work is followed */
export function follow(phase: DiffPhase, bytesTotal: number, options: DiffOptions): WorkOptions {
  let bytesDone = 0;
  return {
    signal: options.signal,
    onBytes(bytes) {
      bytesDone += bytes;
      options.onProgress?.({ phase, done: bytesDone, total: bytesTotal });
    },
  };
}

/** A lossless diff of two models in memory. */
export interface ExactDiff extends Omit<StoreDiff, 'pieces' | 'payloadBytes'> {
  readonly payload: Uint8Array;
}

/**
 * `diffStores` for two models in memory.
 *
 * @param base the model on the devices
 * @param next the model that they should have: tensors of the same names, dtypes and shapes, in any order
 * @param meta metadata of the payload; none unless given
 * @throws NeuralDiffError as `diffStores`
 */
export async function diffModels(base: Model, next: Model, meta: Meta = {}): Promise<ExactDiff> {
  const diff = await diffStores(openMemoryStore(base), openMemoryStore(next), { meta });
  const { pieces, payloadBytes, ...found } = diff;
  return { payload: await joinPieces({ pieces, payloadBytes }), ...found };
}

/**
 * @param from a model
 * @param to another with tensors of the same names, dtypes and shapes
 * @returns exact ops that make the second of the first, bit for bit, for the tensors that differ
 */
export function exactOps(from: Model, to: Model): ExactOp[] {
  const targets = new Map(to.tensors.map((tensor) => [tensor.name, tensor]));
  return canonicalOrder(from.tensors).flatMap((tensor): ExactOp[] => {
    const target = targets.get(tensor.name) as Tensor;
    if (tensor.bytes === target.bytes) return [];
    // Elements may start anywhere in their buffer.
    const elements = { before: tensor.bytes.slice(), after: target.bytes.slice(), first: 0 };
    const { positions, levels } = differences(tensor, elements);
    const found = { positions: positions.slice(), levels: levels.slice() };
    return found.positions.length === 0 ? [] : [{ kind: 'exact', tensor: tensor.name, ...found }];
  });
}
