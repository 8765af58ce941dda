import { hex } from '../model/bytes.js';
import { sha256 } from '../model/fingerprint.js';
import { MAX_ELEMENTS, MAX_RANK, MAX_TENSORS } from '../model/limits.js';
import { checkNamedFiles, folded } from '../model/model-files.js';
import type { WeightStore } from '../model/store.js';
import {
  byteLength,
  checkTensorInfos,
  DTYPES,
  dtypeOfCode,
  isCleanText,
  type TensorInfo,
} from '../model/tensor.js';
import { decodeUtf8, encodeUtf8 } from '../model/text.js';
import { Yielder } from '../model/yielder.js';
import type { ByteSource } from './byte-source.js';
import { type BitCoder, Contexts, codeWide, NumberCoding, SLOW } from './coding.js';
import {
  beyondLimit,
  corrupt,
  MAX_FILE_NAME_BYTES,
  MAX_FILES,
  MAX_FILES_BYTES,
  MAX_STRUCTURE_BYTES,
} from './limits.js';
import { RangeDecoder } from './range-decoder.js';
import { StructureCoding } from './structure-coding.js';

/** Bytes of SHA-256, and of the digest of a structure: its first half. */
export const SHA256_BYTES = 32;
export const STRUCTURE_DIGEST_BYTES = 16;

/** A file that a payload makes. */
export interface NewFile {
  /** Path in the model's folder. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: Uint8Array;
}

/** A tensor of the new files. */
export interface FrameTensor extends TensorInfo {
  /** Bytes of the structure before it. */
  readonly gap: number;
  /** Index, in canonical order, of the base's tensor that its elements are taken from; absent for zeros. */
  readonly source?: number;
}

/** What a payload says of the files that it makes. */
export interface FilesTable {
  /** The main file first. */
  readonly files: readonly NewFile[];
  /** The base's structure, if it is needed. */
  readonly base?: { readonly bytes: number; readonly digest: Uint8Array };
  /** In the order of the files' bytes; named by their index, so that this is the canonical order too. */
  readonly tensors: readonly FrameTensor[];
}

/** @returns the name of a tensor of the new files by its index */
export const frameName = (index: number): string => String(index).padStart(5, '0');

/** @returns the number of bytes that belong to no tensor */
export function structureBytes({ files, tensors }: Pick<FilesTable, 'files' | 'tensors'>): number {
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  return total - tensors.reduce((sum, info) => sum + byteLength(info), 0);
}

/** Bytes of a structure between two chances to yield; a step may take more. */
const BYTES_AT_ONCE = 2 ** 14;

/** An open record of files. */
export interface OpenFilesRecord extends FilesTable {
  /**
   * Decodes the bytes that belong to no tensor.
   *
   * Yields to the event loop on the way.
   *
   * @param base the base's structure; empty if it is not needed
   * @throws NeuralDiffError `corrupt-payload`; the signal's reason; it may be called once
   */
  readStructure(base: Uint8Array, signal?: AbortSignal): Promise<Uint8Array>;
}

/**
 * Reads what a payload says of the files that it makes.
 *
 * @param record the record's bytes
 * @param base the tensors of the base, in canonical order
 * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`, `unsafe-path`
 */
export function openFilesRecord(record: ByteSource, base: readonly TensorInfo[]): OpenFilesRecord {
  const decoder = new RangeDecoder(record);
  const table = codeTable(decoder, base);
  return {
    ...table,
    async readStructure(known, signal) {
      const bytes = new Uint8Array(known.length + structureBytes(table));
      bytes.set(known);
      const coding = new StructureCoding(decoder, bytes, known.length);
      const yielder = new Yielder(signal);
      while (coding.at < bytes.length) {
        for (let end = coding.at + BYTES_AT_ONCE; coding.at < Math.min(end, bytes.length); ) coding.step();
        await yielder.tick();
      }
      decoder.expectEnd();
      return bytes.subarray(known.length);
    },
  };
}

/**
 * Codes everything of a record but the structure.
 *
 * @param base the tensors of the base, in canonical order
 * @param table for an encoder: what to code
 * @returns the table
 * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`, `unsafe-path`
 */
export function codeTable(coder: BitCoder, base: readonly TensorInfo[], table?: FilesTable): FilesTable {
  const files = codeFiles(coder, table?.files);
  const usesBase = coder.raw(1, table?.base ? 1 : 0) === 1;
  const structure = usesBase ? codeBase(coder, table?.base) : undefined;
  const tensors = new TensorCoding(coder, base).code(table?.tensors);
  checkCover(files, tensors);
  return { files, ...(structure && { base: structure }), tensors };
}

/**
 * Codes the files, with which a record begins.
 *
 * @param given for an encoder: the files
 * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`, `unsafe-path`
 */
export function codeFiles(coder: BitCoder, given?: readonly NewFile[]): NewFile[] {
  const numbers = new NumberCoding(coder, SLOW);
  const count = numbers.code((given?.length ?? 1) - 1) + 1;
  if (count > MAX_FILES) throw beyondLimit('files', MAX_FILES, count);
  const files: NewFile[] = [];
  for (let i = 0; i < count; i++) files.push(codeFile(coder, numbers, given?.[i]));
  checkFiles(files);
  return files;
}

function codeFile(coder: BitCoder, numbers: NumberCoding, file?: NewFile): NewFile {
  const name = encodeUtf8(file?.path ?? '');
  const length = numbers.code(name.length - 1) + 1;
  if (length > MAX_FILE_NAME_BYTES) throw beyondLimit('bytes of a file name', MAX_FILE_NAME_BYTES, length);
  const path = textOf(codeBytes(coder, length, name));
  const high = coder.raw(16, Math.floor((file?.bytes ?? 0) / 2 ** 32));
  const bytes = high * 2 ** 32 + codeWide(coder, 32, (file?.bytes ?? 0) % 2 ** 32);
  return { path, bytes, sha256: codeBytes(coder, SHA256_BYTES, file?.sha256) };
}

function codeBase(coder: BitCoder, base: FilesTable['base']): NonNullable<FilesTable['base']> {
  const bytes = codeWide(coder, 32, base?.bytes ?? 0);
  if (bytes > MAX_STRUCTURE_BYTES) throw beyondLimit('bytes of structure', MAX_STRUCTURE_BYTES, bytes);
  return { bytes, digest: codeBytes(coder, STRUCTURE_DIGEST_BYTES, base?.digest) };
}

function codeBytes(coder: BitCoder, length: number, bytes?: Uint8Array): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => coder.raw(8, bytes?.[i] ?? 0));
}

function textOf(bytes: Uint8Array): string {
  try {
    const text = decodeUtf8(bytes);
    if (isCleanText(text)) return text;
  } catch {
    // The same refusal.
  }
  throw corrupt('a file name is not valid UTF-8');
}

/** @throws NeuralDiffError `unsafe-path`, `limit-exceeded`; `corrupt-payload` for two files of one name */
function checkFiles(files: readonly NewFile[]): void {
  const paths = files.map(({ path }) => path);
  const names = new Set(paths.map(folded));
  if (names.size !== paths.length || [...names].some((name) => leadsThrough(name, names)))
    throw corrupt('two files have one name');
  checkNamedFiles('', paths);
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total > MAX_FILES_BYTES) throw beyondLimit('bytes of files', MAX_FILES_BYTES, total);
}

/** @returns whether one of some paths is a folder of a path */
function leadsThrough(path: string, paths: ReadonlySet<string>): boolean {
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1))
    if (paths.has(path.slice(0, at))) return true;
  return false;
}

/** @throws NeuralDiffError `corrupt-payload` for tensors beyond the files, `limit-exceeded` */
function checkCover(files: readonly NewFile[], tensors: readonly FrameTensor[]): void {
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const covered = tensors.reduce((sum, info) => sum + info.gap + byteLength(info), 0);
  if (covered > total) throw corrupt(`tensors of ${covered} bytes exceed files of ${total}`);
  const rest = structureBytes({ files, tensors });
  if (rest > MAX_STRUCTURE_BYTES) throw beyondLimit('bytes of structure', MAX_STRUCTURE_BYTES, rest);
}

/** Codes the tensors of the new files. */
class TensorCoding {
  readonly #coder: BitCoder;
  readonly #base: readonly TensorInfo[];
  readonly #gaps: NumberCoding;
  readonly #sources: NumberCoding;
  readonly #types: NumberCoding;
  readonly #ranks: NumberCoding;
  readonly #sizes: NumberCoding;
  /** Whether a tensor has a source; whether that comes before the expected one; whether the type is its. */
  readonly #flags = new Contexts(3, SLOW);
  #expected = 0;

  constructor(coder: BitCoder, base: readonly TensorInfo[]) {
    this.#coder = coder;
    this.#base = base;
    this.#gaps = new NumberCoding(coder, SLOW);
    this.#sources = new NumberCoding(coder, SLOW);
    this.#types = new NumberCoding(coder, SLOW);
    this.#ranks = new NumberCoding(coder, SLOW);
    this.#sizes = new NumberCoding(coder, SLOW);
  }

  code(given: readonly FrameTensor[] | undefined): FrameTensor[] {
    const count = codeWide(this.#coder, 17, given?.length ?? 0);
    if (count > MAX_TENSORS) throw beyondLimit('tensors', MAX_TENSORS, count);
    const tensors: FrameTensor[] = [];
    for (let i = 0; i < count; i++) tensors.push(this.#tensor(i, given?.[i]));
    return tensors;
  }

  #tensor(index: number, given: FrameTensor | undefined): FrameTensor {
    const gap = this.#gaps.code(given?.gap);
    const hasSource = this.#coder.bit(this.#flags, 0, given?.source === undefined ? 0 : 1) === 1;
    const source = hasSource ? this.#source(given?.source) : undefined;
    const from = source === undefined ? undefined : (this.#base[source] as TensorInfo);
    const isSame =
      from !== undefined && this.#coder.bit(this.#flags, 2, isSameType(given, from) ? 1 : 0) === 1;
    const { dtype, shape } = isSame ? from : this.#type(given);
    const info = { name: frameName(index), dtype, shape };
    try {
      checkTensorInfos([info]);
    } catch (error) {
      throw corrupt((error as Error).message, error);
    }
    if (byteLength(info) === 0) throw corrupt('a tensor of the files has no elements');
    return { ...info, gap, ...(source !== undefined && { source }) };
  }

  #source(given = 0): number {
    const isBefore = this.#coder.bit(this.#flags, 1, given < this.#expected ? 1 : 0) === 1;
    const distance = this.#sources.code(Math.abs(given - this.#expected));
    const source = this.#expected + (isBefore ? -distance : distance);
    if (!(source >= 0 && source < this.#base.length)) throw corrupt(`the base has no tensor ${source}`);
    this.#expected = source + 1;
    return source;
  }

  #type(given: FrameTensor | undefined): Pick<TensorInfo, 'dtype' | 'shape'> {
    const code = this.#types.code(given === undefined ? 0 : DTYPES[given.dtype].code);
    const dtype = dtypeOfCode(code);
    if (dtype === undefined) throw corrupt(`unknown element type ${code}`);
    const rank = this.#ranks.code(given?.shape.length);
    if (rank > MAX_RANK) throw beyondLimit('dimensions', MAX_RANK, rank);
    const shape: number[] = [];
    for (let axis = 0; axis < rank; axis++) shape.push(this.#sizes.code(given?.shape[axis]));
    if (shape.some((size) => size > MAX_ELEMENTS)) throw corrupt('a dimension is too large');
    return { dtype, shape };
  }
}

function isSameType(given: TensorInfo | undefined, { dtype, shape }: TensorInfo): boolean {
  return given?.dtype === dtype && `${given.shape}` === `${shape}`;
}

/**
 * Opens a view of the base with the tensors of other files: each has the first bytes of its source, as many
 * as both have, and zeros.
 *
 * @param sources tensors of the base by which `source` counts
 */
export function openFrameStore(
  base: Pick<WeightStore, 'readInto'>,
  {
    tensors,
    sources,
  }: {
    tensors: readonly (TensorInfo & { readonly source?: number })[];
    sources: readonly TensorInfo[];
  },
): WeightStore {
  const byName = new Map(tensors.map((info) => [info.name, info]));
  return {
    tensors,
    async readInto(name, byteOffset, target) {
      const { source } = byName.get(name) as (typeof tensors)[number];
      const from = source === undefined ? undefined : (sources[source] as TensorInfo);
      const left = from === undefined ? 0 : Math.max(0, byteLength(from) - byteOffset);
      const known = target.subarray(0, Math.min(left, target.length));
      if (from !== undefined && known.length > 0) await base.readInto(from.name, byteOffset, known);
      target.fill(0, known.length);
    },
    write: () => Promise.reject(new TypeError('Cannot write to a view of the base')),
    async flush() {},
    async close() {},
  };
}

/** @returns the digest of a structure in a payload */
export async function digestStructure(structure: Uint8Array): Promise<Uint8Array> {
  return (await sha256(structure)).subarray(0, STRUCTURE_DIGEST_BYTES);
}

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

/**
 * Reads which files a payload makes, without the base.
 *
 * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`, `unsafe-path`
 */
export function readMadeFiles(record: ByteSource): FilesFacts['made'] {
  return describeFiles({ files: codeFiles(new RangeDecoder(record)) });
}

function describeFiles({ files }: Pick<FilesTable, 'files'>): FilesFacts['made'] {
  return files.map(({ path, bytes, sha256 }) => ({ path, bytes, sha256: hex(sha256) }));
}

/** @returns what a payload makes; `touched`, the names of the tensors that its other records patch */
export function factsOf(record: FilesTable, touched: ReadonlySet<string>): FilesFacts {
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
