import { hex } from '../../model/bytes.js';
import { NeuralDiffError } from '../../model/errors.js';
import type { WeightStore } from '../../model/store.js';
import { byteLength, canonicalOrder, checkNotEmpty } from '../../model/tensor.js';
import type { ByteSource } from '../../payload/byte-source.js';
import { checkLayout, DiffReader } from '../../payload/decode.js';
import {
  codeFiles,
  type OpenFilesRecord,
  openFilesRecord,
  structureBytes,
} from '../../payload/files-record.js';
import { digestStructure, openFrameStore } from '../../payload/frame.js';
import { MAX_STRUCTURE_BYTES } from '../../payload/limits.js';
import type { OpenPayload } from '../../payload/open-payload.js';
import { RangeDecoder } from '../../payload/range-decoder.js';

/** Tensors of new files, counted by where their elements come from. */
interface Counted {
  readonly tensors: number;
  readonly bytes: number;
}

/** What a payload of files makes, and from what. */
export interface FilesFacts {
  /** In order, the main file first. */
  readonly made: readonly { readonly path: string; readonly bytes: number; readonly sha256: string }[];
  /** Bytes that belong to no tensor, and whether they are coded against those of the base's files. */
  readonly structureBytes: number;
  readonly usesBaseFiles: boolean;
  /** Tensors with the base's elements, those coded against a tensor of the base, and new ones. */
  readonly kept: Counted;
  readonly coded: Counted;
  readonly new: Counted;
}

/** The new files of a payload as a model: the *frame*, whose elements are those of the base, or zeros. */
export interface Frame {
  readonly record: OpenFilesRecord;
  /** The tensors that other records of the payload patch. */
  readonly store: WeightStore;
  readonly facts: FilesFacts;
}

/**
 * Opens the frame of a payload of files.
 *
 * @param base the base; it is not read yet
 * @throws NeuralDiffError `wrong-layout` for another base; `corrupt-payload`, `limit-exceeded`, `unsafe-path`
 */
export async function openFrame(base: WeightStore, payload: OpenPayload): Promise<Frame> {
  await checkLayout(payload, base.tensors);
  checkNotEmpty(base.tensors);
  const sources = canonicalOrder(base.tensors);
  const record = openFilesRecord(payload.files as ByteSource, sources);
  const { touched } = new DiffReader(payload, record.tensors);
  const store = openFrameStore(base, { tensors: record.tensors, sources });
  return { record, store, facts: factsOf(record, touched) };
}

/**
 * Reads which files a payload makes, without the base.
 *
 * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`, `unsafe-path`
 */
export function readMadeFiles(record: ByteSource): FilesFacts['made'] {
  return describeFiles({ files: codeFiles(new RangeDecoder(record)) });
}

function describeFiles({ files }: Pick<OpenFilesRecord, 'files'>): FilesFacts['made'] {
  return files.map(({ path, bytes, sha256 }) => ({ path, bytes, sha256: hex(sha256) }));
}

function factsOf(record: OpenFilesRecord, touched: ReadonlySet<string>): FilesFacts {
  const count = (kind: string): Counted => {
    const found = record.tensors.filter(({ name, source }) => {
      const fromBase = touched.has(name) ? 'coded' : 'kept';
      return kind === (source === undefined ? 'new' : fromBase);
    });
    return { tensors: found.length, bytes: found.reduce((sum, info) => sum + byteLength(info), 0) };
  };
  return {
    made: describeFiles(record),
    structureBytes: structureBytes(record),
    usesBaseFiles: record.base !== undefined,
    kept: count('kept'),
    coded: count('coded'),
    new: count('new'),
  };
}

/**
 * Reads the structure of the base's files that a payload needs.
 *
 * @returns no bytes if it needs none
 * @throws NeuralDiffError `wrong-base` if the weights are in other files than the payload was made for
 */
export async function readBaseStructure(
  store: WeightStore,
  { base }: Pick<OpenFilesRecord, 'base'>,
): Promise<Uint8Array> {
  if (base === undefined) return new Uint8Array(0);
  const parts = await store.parts?.();
  const found = await parts?.structure(MAX_STRUCTURE_BYTES);
  const digest = found && (await digestStructure(found));
  if (found && found.length === base.bytes && hex(digest as Uint8Array) === hex(base.digest)) return found;
  const facts = { expected: hex(base.digest), found: digest ? hex(digest) : '' };
  const met = digest
    ? `one whose bytes outside of the tensors differ (${facts.found}, not ${facts.expected})`
    : 'weights without their file';
  const message = `Cannot apply payload: expected the very file that it was made for, got ${met}; use that file, or ship the full model`;
  throw new NeuralDiffError('wrong-base', message, { facts });
}
