import {
  canonicalOrder,
  elementCount,
  equalBytes,
  NeuralDiffError,
  type TensorInfo,
} from '../model/index.js';
import { xxh64 } from './checksum.js';
import { beyondLimit, corrupt } from './corrupt.js';
import { DenseReader } from './dense-record.js';
import type { Diff, Op, Payload, PayloadHeader } from './diff.js';
import { HashReader } from './hash-record.js';
import { layoutOf, MAGIC, parseHeader, type RecordKind } from './header.js';
import { MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES } from './limits.js';
import { borrowValue } from './msgpack.js';
import { SparseReader } from './sparse-record.js';

/** Bytes of the last value: a `bin` of 8 bytes. */
const CHECKSUM_BYTES = 10;

/** A payload whose header is read and whose records are not. */
export interface OpenPayload {
  readonly header: PayloadHeader;
  /** Kind and bytes of each record, in order: views that live as long as the payload. */
  readonly records: readonly { readonly kind: RecordKind; readonly bytes: Uint8Array }[];
}

/**
 * Opens a payload, suspicious of every byte: length, magic, checksum, header, then where each record begins and ends.
 *
 * @param bytes the payload file; nobody may change it while the payload is in use
 * @throws NeuralDiffError `not-a-payload`, `unsupported-version`, `corrupt-payload`, `limit-exceeded`
 */
export async function openPayload(bytes: Uint8Array): Promise<OpenPayload> {
  if (bytes.length > MAX_PAYLOAD_BYTES)
    throw beyondLimit('bytes of a payload', MAX_PAYLOAD_BYTES, bytes.length);
  checkMagic(bytes);
  await checkChecksum(bytes);
  const headerStart = 1 + MAGIC.length;
  const { value, end } = borrowValue(bytes.subarray(0, headerStart + MAX_HEADER_BYTES), headerStart);
  const { header, kinds } = parseHeader(value);
  let at = end;
  const records = kinds.map((kind) => {
    const record = borrowBin(bytes, at);
    at = record.end;
    return { kind, bytes: record.content };
  });
  if (at !== bytes.length - CHECKSUM_BYTES) throw corrupt(`expected the checksum at byte ${at}`);
  return { header, records };
}

/**
 * Reads a whole payload.
 *
 * @param bytes the payload file
 * @param tensors the tensors of the model that it is for, in any order
 * @returns header and diff; every position, level and scale within its bounds
 * @throws NeuralDiffError those of `openPayload`, `wrong-layout` for another model's tensors
 */
export async function decodePayload(bytes: Uint8Array, tensors: readonly TensorInfo[]): Promise<Payload> {
  const payload = await openPayload(bytes);
  return { header: payload.header, diff: await readDiff(payload, tensors) };
}

/**
 * Reads the whole diff of an open payload.
 *
 * @param tensors the tensors of the model that it is for, in any order
 * @throws NeuralDiffError `wrong-layout`, `corrupt-payload`, `limit-exceeded`
 */
export async function readDiff(payload: OpenPayload, tensors: readonly TensorInfo[]): Promise<Diff> {
  await checkLayout(payload, tensors);
  const infos = canonicalOrder(tensors);
  const ops = payload.records.flatMap((record): Op[] => {
    const reader = openRecord(record, infos);
    if (reader instanceof HashReader) return [reader.read()];
    return reader.tensors.map((info) => reader.read(info, { start: 0, end: elementCount(info) }));
  });
  return { ops };
}

/**
 * Checks that a payload was made for models with the tensors at hand.
 *
 * @throws NeuralDiffError `wrong-layout`
 */
export async function checkLayout({ header }: OpenPayload, tensors: readonly TensorInfo[]): Promise<void> {
  const found = await layoutOf(tensors);
  if (found === header.layout) return;
  const [expected, got] = [header.layout, found].map((layout) => layout.toString(16).padStart(8, '0'));
  const message = `Cannot apply payload: it is for a model with other tensors, names, dtypes or shapes (layout ${expected}, this model has ${got})`;
  throw new NeuralDiffError('wrong-layout', message, {
    facts: { expected: expected as string, found: got as string },
  });
}

/** Gives a payload's ops run by run, as a model is walked through; holds no more of a diff than a run needs. */
export class DiffReader {
  readonly #records: readonly { reader: ReturnType<typeof openRecord>; names: ReadonlySet<string> }[];
  /** Names of the tensors that an op changes. */
  readonly touched: ReadonlySet<string>;

  /**
   * @param payload an open payload
   * @param tensors the tensors of a model of its layout
   * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`
   */
  constructor(payload: OpenPayload, tensors: readonly TensorInfo[]) {
    const infos = canonicalOrder(tensors);
    this.#records = payload.records.map((record) => {
      const reader = openRecord(record, infos);
      return { reader, names: new Set(reader.tensors.map((info) => info.name)) };
    });
    this.touched = new Set(this.#records.flatMap(({ names }) => [...names]));
  }

  /**
   * Reads on. Every touched tensor must be asked for in canonical order, and all its elements in runs, one after the
   * other; a tensor without elements as one empty run.
   *
   * @returns the ops for a run, in order
   * @throws NeuralDiffError `corrupt-payload`
   */
  read(info: TensorInfo, run: { start: number; end: number }): Op[] {
    return this.#records
      .filter(({ names }) => names.has(info.name))
      .map(({ reader }) => reader.read(info, run));
  }
}

function openRecord({ kind, bytes }: OpenPayload['records'][number], infos: readonly TensorInfo[]) {
  if (kind === 'hash') return new HashReader(bytes, infos);
  return kind === 'dense' ? new DenseReader(bytes, infos) : new SparseReader(bytes, infos, kind);
}

function borrowBin(bytes: Uint8Array, at: number): { content: Uint8Array; end: number } {
  // Looked at first: a list of a gigabyte would be read whole before it is refused.
  const type = bytes[at] as number;
  if (!(type >= 0xc4 && type <= 0xc6)) throw corrupt(`expected binary data at byte ${at}`);
  const { value, end } = borrowValue(bytes, at);
  return { content: value as Uint8Array, end };
}

function checkMagic(bytes: Uint8Array): void {
  const start = String.fromCharCode(...bytes.subarray(0, 1 + MAGIC.length));
  const family = String.fromCharCode(0xa0 + MAGIC.length) + MAGIC.slice(0, -1);
  if (!start.startsWith(family) || start.length === family.length) {
    throw new NeuralDiffError('not-a-payload', `Cannot read payload: expected it to start with "${MAGIC}"`);
  }
  if (start.slice(1) !== MAGIC) {
    const message = `Cannot read payload: expected format "${MAGIC}", got "${start.slice(1)}"; a newer reader is needed`;
    throw new NeuralDiffError('unsupported-version', message);
  }
}

async function checkChecksum(bytes: Uint8Array): Promise<void> {
  const body = bytes.length - CHECKSUM_BYTES;
  if (body < 1 + MAGIC.length) throw corrupt(`${bytes.length} bytes are too few`);
  const { content, end } = borrowBin(bytes, body);
  if (content.length !== 8 || end !== bytes.length) throw corrupt('it does not end with a checksum');
  if (!equalBytes(content, await xxh64(bytes.subarray(0, body))))
    throw corrupt('the checksum does not match');
}
