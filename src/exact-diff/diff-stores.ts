import type { Progress } from '../model/progress.js';
import { openMemoryStore, type WeightStore } from '../model/store.js';
import { byteLength, canonicalOrder, type Model, type Tensor, totalBytes, wordsOf } from '../model/tensor.js';
import type { ExactOp, Meta } from '../payload/diff.js';
import { framePayload, joinPieces } from '../payload/encode.js';
import { layoutOf } from '../payload/header.js';
import type { ChangedTensor } from './coding-trial.js';
import { checkSameTensors, compareStores, type WorkOptions } from './compare-stores.js';
import {
  checkGroups,
  chooseCodings,
  createLaneReaders,
  encodeGroups,
  type GroupJob,
  groupTensors,
} from './encode-groups.js';
import { type Coder, createLane, type EncodedRecord, type Lane } from './lane.js';
import { differences, type StorePair } from './pairs.js';
import { createMemorySpool, type Spool } from './spooled-records.js';

/** Options of `diffStores`. */
export interface DiffOptions {
  /** Metadata of the payload; empty by default. */
  readonly meta?: Meta;
  /** Buffers the payload until its length is known; in memory by default. */
  readonly spool?: Spool;
  /** Encodes large models in parallel; this thread alone by default. The payload is the same either way. */
  readonly coder?: Coder | undefined;
  /** SHA-256 implementation; defaults to the runtime's. */
  readonly sha256?: ((bytes: Uint8Array) => Promise<Uint8Array> | Uint8Array) | undefined;
  readonly signal?: AbortSignal | undefined;
  /**
   * Progress in bytes: `match` reads tensors whose names differ, `cast` those whose dtypes differ, `compare`
   * both models, `choose` samples of the changed tensors, `encode` and `check` all of the changed tensors.
   */
  readonly onProgress?: (
    progress: Progress<'match' | 'cast' | 'compare' | 'choose' | 'encode' | 'check'>,
  ) => void;
}

type DiffPhase = Parameters<NonNullable<DiffOptions['onProgress']>>[0]['phase'];

/** A lossless diff of two models, with its payload in pieces. */
export interface StoreDiff {
  /** Pieces of the payload file, in order; the spool must stay open until the last one is read. */
  readonly pieces: AsyncIterable<Uint8Array>;
  /** Size of the payload file in bytes. */
  readonly payloadBytes: number;
  /** Fingerprints of both models, as hexadecimal strings. */
  readonly base: string;
  readonly next: string;
  readonly changedTensors: number;
  /** Elements whose bits differ. */
  readonly changedWeights: number;
}

/**
 * Diffs two models losslessly, wherever they were trained.
 *
 * The payload turns the first model into the second bit for bit, including NaN payloads and signs of zeros.
 * Elements are subtracted as ordinals (their rank in the order of values), so small changes from training
 * take few bits. Both models are read chunk by chunk, so they may be larger than memory, and the payload is
 * verified on the base. Neighbouring tensors are coded in groups of at least 32 MiB; groups are coded in
 * parallel.
 *
 * @param base the model on the devices
 * @param next the model they should have: tensors of the same names, dtypes and shapes, in any order
 * @throws NeuralDiffError `wrong-layout` if the tensors differ, `limit-exceeded` if the payload would exceed
 *   a limit of the format; errors of the stores; the signal's reason
 *
 * @example
 * const [base, next] = [await openModel('models/v1'), await openModel('models/v2')];
 * const { pieces, payloadBytes } = await diffStores(base, next);
 * for await (const piece of pieces) writeFileSync('v2.ndiff', piece, { flag: 'a' });
 */
export async function diffStores(
  base: WeightStore,
  next: WeightStore,
  options: DiffOptions = {},
): Promise<StoreDiff> {
  checkSameTensors(base.tensors, next.tensors);
  const stores: StorePair = { base, next };
  // Stores may attach more to their tensors than worker threads need.
  const own = base.tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  const infos = canonicalOrder(own);
  const compared = follow('compare', totalBytes(infos), options);
  const found = await compareStores(stores, own, { ...compared, sha256: options.sha256 });
  const { changed } = found;
  const header = {
    base: found.base,
    next: found.next,
    layout: await layoutOf(infos),
    meta: options.meta ?? {},
  };
  return {
    ...framePayload(header, await recordChanges(stores, { changed, infos: infos.map(wordsOf) }, options)),
    base: found.base,
    next: found.next,
    changedTensors: changed.length,
    changedWeights: changed.reduce((sum, { count }) => sum + count, 0),
  };
}

/**
 * Encodes the changes between two models.
 *
 * @param infos the tensors as ops see them, in canonical order
 * @returns records in the spool, verified on the base
 */
export async function recordChanges(
  stores: StorePair,
  { changed, infos }: { changed: readonly ChangedTensor[]; infos: GroupJob['infos'] },
  options: DiffOptions,
): Promise<EncodedRecord[]> {
  if (changed.length === 0) return [];
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
  // A single group does not justify a thread.
  return coder && groups.length > 1 ? coder.use(record) : record([createLane()]);
}

/** Adapts the progress callback of `DiffOptions` to one phase. */
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
 * Diffs two models in memory losslessly: `diffStores` for small models.
 *
 * @param base the model on the devices
 * @param next the model they should have: tensors of the same names, dtypes and shapes, in any order
 * @param meta metadata of the payload; empty by default
 * @throws NeuralDiffError as `diffStores`
 */
export async function diffModels(base: Model, next: Model, meta: Meta = {}): Promise<ExactDiff> {
  const diff = await diffStores(openMemoryStore(base), openMemoryStore(next), { meta });
  const { pieces, payloadBytes, ...found } = diff;
  return { payload: await joinPieces({ pieces, payloadBytes }), ...found };
}

/**
 * Builds exact ops that turn one model into another bit for bit, for the tensors that differ.
 *
 * @param from a model
 * @param to a model with tensors of the same names, dtypes and shapes
 */
export function exactOps(from: Model, to: Model): ExactOp[] {
  const targets = new Map(to.tensors.map((tensor) => [tensor.name, tensor]));
  return canonicalOrder(from.tensors).flatMap((tensor): ExactOp[] => {
    const target = targets.get(tensor.name) as Tensor;
    if (tensor.bytes === target.bytes) return [];
    // `slice` aligns elements that start anywhere in their buffer.
    const elements = { before: tensor.bytes.slice(), after: target.bytes.slice(), first: 0 };
    const { positions, levels } = differences(tensor, elements);
    const found = { positions: positions.slice(), levels: levels.slice() };
    return found.positions.length === 0 ? [] : [{ kind: 'exact', tensor: tensor.name, ...found }];
  });
}
