import { equalBytes } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { canonicalOrder, elementCount, type TensorInfo } from '../model/tensor.js';
import { type ByteSource, type Bytes, joinBytes, sliceOf, sourceOf, WINDOW_BYTES } from './byte-source.js';
import { xxh64 } from './checksum.js';
import { DenseReader, HashReader } from './dense-record.js';
import type { Diff, Op, Payload, PayloadHeader } from './diff.js';
import { layoutOf, MAGIC, parseHeader } from './header.js';
import { beyondLimit, corrupt, MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES } from './limits.js';
import { borrowValue, MAX_BIN_HEAD_BYTES, readBinHead } from './msgpack.js';
import { RangeDecoder } from './range-decoder.js';
import { codeTensors } from './record-head.js';
import { SetReader } from './set-record.js';
import { type Changes, SparseReader } from './sparse-record.js';

/** Bytes of the last value: a `bin` of 8 bytes. */
const CHECKSUM_BYTES = 10;

/** A payload whose header is read and whose records are not. */
export interface OpenPayload {
  readonly header: PayloadHeader;
  /** Kind and bytes of each record, in order; they live as long as the payload. */
  readonly records: readonly { readonly kind: Op['kind']; readonly bytes: ByteSource }[];
}

/**
 * Opens a payload, suspicious of every byte: length, magic, checksum, header, then where each record begins and ends.
 *
 * @param payload the payload file, in memory or not; nobody may change it while it is in use
 * @throws NeuralDiffError `not-a-payload`, `unsupported-version`, `corrupt-payload`, `limit-exceeded`
 */
export async function openPayload(payload: Bytes): Promise<OpenPayload> {
  const source = sourceOf(payload);
  if (source.length > MAX_PAYLOAD_BYTES)
    throw beyondLimit('bytes of a payload', MAX_PAYLOAD_BYTES, source.length);
  checkMagic(source);
  await checkChecksum(source);
  const headerStart = 1 + MAGIC.length;
  const { value, end } = borrowValue(joinBytes(source, headerStart + MAX_HEADER_BYTES), headerStart);
  const { header, kinds } = parseHeader(value);
  let at = end;
  const records = kinds.map((kind) => {
    const bytes = binAt(source, at);
    at = bytes.end;
    return { kind, bytes: bytes.content };
  });
  if (at !== source.length - CHECKSUM_BYTES) throw corrupt(`expected the checksum at byte ${at}`);
  return { header, records };
}

/**
 * Reads a whole payload.
 *
 * @param payload the payload file
 * @param tensors the tensors of the model that it is for, in any order
 * @returns header and diff; every position, level and scale within its bounds
 * @throws NeuralDiffError those of `openPayload`, `wrong-layout` for another model's tensors
 */
export async function decodePayload(payload: Bytes, tensors: readonly TensorInfo[]): Promise<Payload> {
  const opened = await openPayload(payload);
  return { header: opened.header, diff: await readDiff(opened, tensors) };
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
    const readOp = (info: TensorInfo): Op => keep(reader.read(info, { start: 0, end: elementCount(info) }));
    const read = reader instanceof HashReader ? [reader.read()] : reader.tensors.map(readOp);
    reader.decoder.expectEnd();
    return read;
  });
  return { ops };
}

/** @returns an op with arrays of its own */
function keep(op: Op): Op {
  if (op.kind !== 'sparse' && op.kind !== 'exact') return op;
  const [positions, levels] = [op.positions.slice(), op.levels.slice()];
  return { ...op, positions, levels } as Op;
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
  const message = `Cannot apply payload: it is for other tensors, names, dtypes or shapes (layout ${expected}, this model has ${got})`;
  throw new NeuralDiffError('wrong-layout', message, {
    facts: { expected: expected as string, found: got as string },
  });
}

/** A record of a payload that is walked through. */
interface Walked {
  readonly record: OpenPayload['records'][number];
  /** Names of its tensors. */
  readonly names: ReadonlySet<string>;
  /** Its tensors that are not read to their end. */
  left: number;
  /** From its first tensor to the end of its last: what a record learns takes memory. */
  reader?: ReturnType<typeof openRecord> | undefined;
}

/** Gives a payload's ops run by run, as a model is walked through; holds no more of a diff than a run needs. */
export class DiffReader {
  readonly #infos: readonly TensorInfo[];
  readonly #records: readonly Walked[];
  /** Memory of records that are done, for those to come. */
  readonly #spare: Changes[] = [];
  /** Names of the tensors that an op changes. */
  readonly touched: ReadonlySet<string>;

  /**
   * @param payload an open payload
   * @param tensors the tensors of a model of its layout
   * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`
   */
  constructor(payload: Pick<OpenPayload, 'records'>, tensors: readonly TensorInfo[]) {
    this.#infos = canonicalOrder(tensors);
    const room = new Uint8Array(WINDOW_BYTES);
    this.#records = payload.records.map((record) => {
      const named = codeTensors(new RangeDecoder(record.bytes, room), this.#infos);
      return { record, names: new Set(named.map(({ name }) => name)), left: named.length };
    });
    this.touched = new Set(this.#records.flatMap(({ names }) => [...names]));
  }

  /**
   * Reads on. Every touched tensor must be asked for in canonical order, and all its elements in runs, one after the
   * other; a tensor without elements as one empty run.
   *
   * @returns the ops for a run, in order; their arrays are valid until the next
   * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`
   */
  read(info: TensorInfo, run: { start: number; end: number }): Op[] {
    const touching = this.#records.filter(({ names }) => names.has(info.name));
    const ops = touching.map((walked) => {
      walked.reader ??= openRecord(walked.record, this.#infos, this.#spare);
      return walked.reader.read(info, run);
    });
    for (const walked of run.end === elementCount(info) ? touching : []) {
      if (--walked.left > 0) continue;
      walked.reader?.decoder.expectEnd();
      // Readers of other kinds have none.
      const { changes } = walked.reader as Partial<SparseReader>;
      if (changes) this.#spare.push(changes);
      walked.reader = undefined;
    }
    return ops;
  }
}

function openRecord(
  { kind, bytes }: OpenPayload['records'][number],
  infos: readonly TensorInfo[],
  spare?: Changes[],
) {
  if (kind === 'hash') return new HashReader(bytes, infos);
  if (kind === 'set') return new SetReader(bytes, infos);
  return kind === 'dense'
    ? new DenseReader(bytes, infos)
    : new SparseReader(bytes, infos, { kind, changes: spare?.pop() });
}

function binAt(source: ByteSource, at: number): { content: ByteSource; end: number } {
  const head = joinBytes(sliceOf(source, at, Math.min(at + MAX_BIN_HEAD_BYTES, source.length)));
  const { value: length, end: headBytes } = readBinHead(head, 0);
  const end = at + headBytes + length;
  if (end > source.length) throw corrupt(`the binary data at byte ${at} are cut off`);
  return { content: sliceOf(source, at + headBytes, end), end };
}

function checkMagic(source: ByteSource): void {
  const start = String.fromCharCode(...joinBytes(source, 1 + MAGIC.length));
  const family = String.fromCharCode(0xa0 + MAGIC.length) + MAGIC.slice(0, -1);
  if (!start.startsWith(family) || start.length === family.length) {
    throw new NeuralDiffError('not-a-payload', `Cannot read payload: expected it to start with "${MAGIC}"`);
  }
  if (start.slice(1) !== MAGIC) {
    const message = `Cannot read payload: expected format "${MAGIC}", got "${start.slice(1)}"; a newer reader is needed`;
    throw new NeuralDiffError('unsupported-version', message);
  }
}

async function checkChecksum(source: ByteSource): Promise<void> {
  const body = source.length - CHECKSUM_BYTES;
  if (body < 1 + MAGIC.length) throw corrupt(`${source.length} bytes are too few`);
  const { content, end } = binAt(source, body);
  if (content.length !== 8 || end !== source.length) throw corrupt('it does not end with a checksum');
  if (!equalBytes(joinBytes(content), await xxh64(sliceOf(source, 0, body))))
    throw corrupt('the checksum does not match');
}
