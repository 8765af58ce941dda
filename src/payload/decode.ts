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

/** Bytes of the checksum, the last value: a `bin` of 8 bytes with its 2-byte head. */
const CHECKSUM_BYTES = 10;

/** A payload whose header has been read; its records have not. */
export interface OpenPayload {
  readonly header: PayloadHeader;
  /** Kind and bytes of each record, in order; valid as long as the payload. */
  readonly records: readonly { readonly kind: Op['kind']; readonly bytes: ByteSource }[];
}

/**
 * Opens an untrusted payload: checks its length, magic, checksum and header, then the bounds of each record.
 *
 * @param payload the payload file, in memory or not; it must not change while it is in use
 * @throws NeuralDiffError `not-a-payload`, `unsupported-version`, `corrupt-payload`, `limit-exceeded`
 *
 * @example
 * const { header } = await openPayload(await readPayload('v2.ndiff'));
 * console.log(header.base, header.next);
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
 * @param tensors the tensors of the base model, in any order
 * @returns header and diff, with every position, level and scale within its bounds
 * @throws NeuralDiffError those of `openPayload`, `wrong-layout` for another model's tensors
 */
export async function decodePayload(payload: Bytes, tensors: readonly TensorInfo[]): Promise<Payload> {
  const opened = await openPayload(payload);
  return { header: opened.header, diff: await readDiff(opened, tensors) };
}

/**
 * Reads the whole diff of an open payload.
 *
 * @param tensors the tensors of the base model, in any order
 * @throws NeuralDiffError `wrong-layout`, `corrupt-payload`, `limit-exceeded`
 */
export async function readDiff(payload: OpenPayload, tensors: readonly TensorInfo[]): Promise<Diff> {
  await checkLayout(payload, tensors);
  const infos = canonicalOrder(tensors);
  const ops = payload.records.flatMap((record): Op[] => {
    const reader = openRecord(record, infos);
    const readOp = (info: TensorInfo): Op =>
      copyArrays(reader.read(info, { start: 0, end: elementCount(info) }));
    const read = reader instanceof HashReader ? [reader.read()] : reader.tensors.map(readOp);
    reader.decoder.expectEnd();
    return read;
  });
  return { ops };
}

/** Copies the arrays that a reader reuses. */
function copyArrays(op: Op): Op {
  if (op.kind !== 'sparse' && op.kind !== 'exact') return op;
  const [positions, levels] = [op.positions.slice(), op.levels.slice()];
  return { ...op, positions, levels } as Op;
}

/**
 * Checks that a payload was made for models with these tensors.
 *
 * @throws NeuralDiffError `wrong-layout`
 */
export async function checkLayout({ header }: OpenPayload, tensors: readonly TensorInfo[]): Promise<void> {
  const found = await layoutOf(tensors);
  if (found === header.layout) return;
  const [expected, got] = [header.layout, found].map((layout) => layout.toString(16).padStart(8, '0'));
  const message = `Cannot apply payload: expected tensor names, dtypes and shapes of layout ${expected}, got ${got}`;
  throw new NeuralDiffError('wrong-layout', message, {
    facts: { expected: expected as string, found: got as string },
  });
}

/** A record that is being read. */
interface RecordState {
  readonly record: OpenPayload['records'][number];
  /** Names of its tensors. */
  readonly names: ReadonlySet<string>;
  /** Number of its tensors that are not yet read completely. */
  left: number;
  /**
   * Present from the first tensor of the record to the end of the last, since adaptive models take memory.
   */
  reader?: ReturnType<typeof openRecord> | undefined;
}

/**
 * Reads a payload's ops for one range of elements at a time; holds no more of the diff than that range needs.
 */
export class DiffReader {
  readonly #infos: readonly TensorInfo[];
  readonly #records: readonly RecordState[];
  /** Buffers of finished records, for reuse. */
  readonly #spare: Changes[] = [];
  /** Names of the tensors that some op changes. */
  readonly touched: ReadonlySet<string>;

  /**
   * @param payload an open payload
   * @param tensors the tensors of the base model, in any order
   * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`
   */
  constructor(payload: Pick<OpenPayload, 'records'>, tensors: readonly TensorInfo[]) {
    this.#infos = canonicalOrder(tensors);
    const window = new Uint8Array(WINDOW_BYTES);
    this.#records = payload.records.map((record) => {
      const named = codeTensors(new RangeDecoder(record.bytes, window), this.#infos);
      return { record, names: new Set(named.map(({ name }) => name)), left: named.length };
    });
    this.touched = new Set(this.#records.flatMap(({ names }) => [...names]));
  }

  /**
   * Reads the ops for the next run of elements.
   *
   * Touched tensors must be read in canonical order, and the elements of each in consecutive runs; a tensor
   * without elements is read as one empty run.
   *
   * @returns the ops for the run, in order; their arrays are valid until the next call
   * @throws NeuralDiffError `corrupt-payload`, `limit-exceeded`
   */
  read(info: TensorInfo, run: { start: number; end: number }): Op[] {
    const touching = this.#records.filter(({ names }) => names.has(info.name));
    const ops = touching.map((state) => {
      state.reader ??= openRecord(state.record, this.#infos, this.#spare);
      return state.reader.read(info, run);
    });
    for (const state of run.end === elementCount(info) ? touching : []) {
      if (--state.left > 0) continue;
      state.reader?.decoder.expectEnd();
      if (state.reader instanceof SparseReader) this.#spare.push(state.reader.changes);
      state.reader = undefined;
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
  if (end > source.length) throw corrupt(`the binary data at byte ${at} are truncated`);
  return { content: sliceOf(source, at + headBytes, end), end };
}

function checkMagic(source: ByteSource): void {
  const start = String.fromCharCode(...joinBytes(source, 1 + MAGIC.length));
  const family = String.fromCharCode(0xa0 + MAGIC.length) + MAGIC.slice(0, -1);
  if (!start.startsWith(family) || start.length === family.length) {
    throw new NeuralDiffError('not-a-payload', `Cannot read payload: expected it to start with "${MAGIC}"`);
  }
  if (start.slice(1) !== MAGIC) {
    const message = `Cannot read payload: expected format "${MAGIC}", got "${start.slice(1)}"; update neural-diff`;
    throw new NeuralDiffError('unsupported-version', message);
  }
}

async function checkChecksum(source: ByteSource): Promise<void> {
  const body = source.length - CHECKSUM_BYTES;
  if (body < 1 + MAGIC.length) throw corrupt(`${source.length} bytes are too short`);
  const { content, end } = binAt(source, body);
  if (content.length !== 8 || end !== source.length) throw corrupt('it does not end with a checksum');
  if (!equalBytes(joinBytes(content), await xxh64(sliceOf(source, 0, body))))
    throw corrupt('the checksum does not match');
}
