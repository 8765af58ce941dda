import { equalBytes } from '../model/bytes.js';
import { fingerprint } from '../model/fingerprint.js';
import { CHUNK_BYTES } from '../model/limits.js';
import type { ModelFiles } from '../model/model-files.js';
import { Sha256Stream } from '../model/sha256-stream.js';
import type { WeightStore } from '../model/store.js';
import { byteLength, canonicalOrder, type TensorInfo, totalBytes, wordsOf } from '../model/tensor.js';
import { sourceOf } from '../payload/byte-source.js';
import { framePayload } from '../payload/encode.js';
import { encodeStructure } from '../payload/encode-structure.js';
import {
  codeTable,
  digestStructure,
  type FilesFacts,
  type FilesTable,
  factsOf,
  type NewFile,
  openFilesRecord,
  openFrameStore,
} from '../payload/files-record.js';
import { layoutOf } from '../payload/header.js';
import { MAX_STRUCTURE_BYTES } from '../payload/limits.js';
import { RangeEncoder } from '../payload/range-encoder.js';
import { compareStores } from './compare-stores.js';
import { type DiffOptions, follow, recordChanges, type StoreDiff } from './diff-stores.js';
import { findSources } from './match/find-sources.js';
import { ByteStream, type FramePlace, openPlaces, placeTensors, readStructureOf } from './place-tensors.js';

/**
 * Diffs two models whose tensors differ in number, names, shapes or types: the payload makes the files of the
 * next model, byte for byte.
 *
 * It carries what belongs to no tensor, coded against the same of the base's files, and codes each tensor
 * against the tensor of the base that it matches.
 *
 * @param base the model on the devices, as `openContainer` opens it
 * @param next the model that they should have, and the folder with its files, perhaps with the paths of other
 *   files to carry along, such as a vocabulary
 * @returns the diff; its `files` tell what of the new files is structure, kept, coded or new
 * @throws NeuralDiffError `limit-exceeded`, `unsafe-path` for files that no payload can make; errors of the
 *   stores; the signal's reason
 */
export async function diffFiles(
  base: WeightStore,
  next: {
    readonly store: WeightStore;
    readonly files: ModelFiles;
    readonly others?: readonly string[];
  },
  options: DiffOptions = {},
): Promise<StoreDiff & { readonly files: FilesFacts; readonly structureCodedBytes: number }> {
  const parts = await next.store.parts?.();
  if (parts === undefined) throw new TypeError('Cannot diff files: expected a store of openContainer');
  const stream = await ByteStream.open(next.files, [...new Set([...parts.paths, ...(next.others ?? [])])]);
  const places = placeTensors(stream, parts);
  const sources = await sourcesOf(base, { next: next.store, places }, options);
  const infos = canonicalOrder(base.tensors);
  const tensors = places.map((place, i) => withGap(place, places[i - 1], sources.get(place.name)));
  const stores = {
    base: openFrameStore(base, { tensors, sources: infos }),
    next: openPlaces(stream, places),
  };
  const total = totalBytes(tensors);
  const { changed } = await compareStores(stores, tensors, follow('compare', total, options));
  const header = {
    base: await fingerprint(base, { signal: options.signal }),
    next: await fingerprint(next.store, { signal: options.signal }),
    layout: await layoutOf(base.tensors),
    meta: options.meta ?? {},
  };
  const structure = await readStructureOf(stream, places);
  const files = await digestFiles(stream, options.signal);
  const { record, table } = await encodeFiles(base, { files, tensors }, structure);
  const records = await recordChanges(stores, { changed, infos: tensors.map(wordsOf) }, options);
  return {
    ...framePayload(header, [{ kind: 'files', bytes: record }, ...records]),
    ...{ base: header.base, next: header.next },
    files: factsOf(table, new Set(changed.map(({ info }) => info.name))),
    structureCodedBytes: record.length,
    changedTensors: changed.length,
    changedWeights: changed.reduce((sum, { count }) => sum + count, 0),
  };
}

type Tensors = FilesTable['tensors'];

function withGap(
  place: FramePlace,
  before: FramePlace | undefined,
  source: number | undefined,
): Tensors[number] {
  const { name, dtype, shape, start } = place;
  const gap = start - (before ? before.start + byteLength(before) : 0);
  return { name, dtype, shape, gap, ...(source !== undefined && { source }) };
}

/** @returns the source of each tensor of the frame, by its name */
async function sourcesOf(
  base: WeightStore,
  { next, places }: { next: WeightStore; places: readonly FramePlace[] },
  options: DiffOptions,
): Promise<ReadonlyMap<string, number>> {
  const own = places.filter(({ original }) => original !== undefined);
  const wanted = own.map(
    ({ original, dtype, shape }): TensorInfo => ({ name: original as string, dtype, shape }),
  );
  const found = await findSources(base, { next, wanted }, options);
  return new Map(
    own.flatMap(({ name, original }): [string, number][] => {
      const source = found.get(original as string);
      return source === undefined ? [] : [[name, source]];
    }),
  );
}

async function digestFiles(stream: ByteStream, signal: AbortSignal | undefined): Promise<NewFile[]> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  const files: NewFile[] = [];
  for (const { path, start, end } of stream.files) {
    const hash = new Sha256Stream();
    for (let at = start; at < end; at += buffer.length) {
      signal?.throwIfAborted();
      const piece = buffer.subarray(0, end - at);
      await stream.readInto(at, piece);
      hash.add(piece);
    }
    files.push({ path, bytes: end - start, sha256: hash.finish() });
  }
  return files;
}

/**
 * Encodes the record of files, with the structure against that of the base or without it, whichever is
 * shorter, and decodes it again.
 */
async function encodeFiles(
  store: WeightStore,
  table: Pick<FilesTable, 'files' | 'tensors'>,
  structure: Uint8Array,
): Promise<{ record: Uint8Array; table: FilesTable }> {
  const infos = canonicalOrder(store.tensors);
  const encode = async (own: FilesTable, base: Uint8Array) => {
    const encoder = new RangeEncoder();
    codeTable(encoder, infos, own);
    encodeStructure(encoder, base, structure);
    const record = encoder.finish();
    const found = await openFilesRecord(sourceOf(record), infos).readStructure(base);
    if (!equalBytes(found, structure)) throw new Error('Cannot verify the packed structure');
    return { record, table: own };
  };
  const alone = await encode(table, new Uint8Array(0));
  const known = await (await store.parts?.())?.structure(MAX_STRUCTURE_BYTES);
  if (known === undefined || known.length === 0) return alone;
  const base = { bytes: known.length, digest: await digestStructure(known) };
  const against = await encode({ ...table, base }, known);
  return against.record.length < alone.record.length ? against : alone;
}
