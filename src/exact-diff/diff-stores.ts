import { byteLength, canonicalOrder, hex, totalBytes, type WeightStore } from '../model/index.js';
import { framePayload } from '../payload/encode.js';
import { layoutOf, type Meta } from '../payload/index.js';
import type { StorePair } from './borrow-pairs.js';
import { checkSameTensors } from './check-tensors.js';
import { compareStores, type WorkOptions } from './compare-stores.js';
import { checkGroups, chooseCodings, encodeGroups, type GroupWork, stationsOf } from './encode-groups.js';
import { groupTensors } from './group-tensors.js';
import { type ChangedTensor, type Coder, createLane, type Lane } from './lane.js';
import type { EncodedRecord } from './record-check.js';
import { createMemorySpool, type Spool } from './spool.js';

/**
 * How far a diff has come: `match` reads tensors whose names differ, `cast` those of other dtypes, `compare` both models, `choose`
 * parts of the tensors that differ, `encode` and `check` all of them.
 */
export interface DiffProgress {
  readonly phase: 'match' | 'cast' | 'compare' | 'choose' | 'encode' | 'check';
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

/** What `diffStores` takes beside the models. */
export interface DiffOptions {
  /** Metadata of the payload; none unless given. */
  readonly meta?: Meta | undefined;
  /** Where the payload waits until its length is known; in memory unless given. */
  readonly spool?: Spool | undefined;
  /** What codes large models side by side; this thread alone unless given. The payload is the same. */
  readonly coder?: Coder | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: DiffProgress) => void) | undefined;
}

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
    ...{ base: hex(found.base), next: hex(found.next) },
    changedTensors: changed.length,
    changedWeights: changed.reduce((sum, { count }) => sum + count, 0),
  };
}

/** @returns records, in the spool, that are tried on the base */
async function recordChanges(
  stores: StorePair,
  { changed, infos }: { changed: readonly ChangedTensor[]; infos: GroupWork['infos'] },
  options: DiffOptions,
): Promise<EncodedRecord[]> {
  const { spool = createMemorySpool(), coder } = options;
  const groups = groupTensors(changed);
  const bytes = changed.reduce((sum, { info }) => sum + byteLength(info), 0);
  const record = async (lanes: readonly Lane[]): Promise<EncodedRecord[]> => {
    const work = { stations: stationsOf(lanes, stores), infos };
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
export function follow(phase: DiffProgress['phase'], bytesTotal: number, options: DiffOptions): WorkOptions {
  let bytesDone = 0;
  return {
    signal: options.signal,
    onBytes(bytes) {
      bytesDone += bytes;
      options.onProgress?.({ phase, bytesDone, bytesTotal });
    },
  };
}
