import { Packr } from 'msgpackr/pack';
import { concatBytes } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { FINGERPRINT_BYTES, fingerprint } from '../model/fingerprint.js';
import { openMemoryStore } from '../model/store.js';
import {
  canonicalOrder,
  DTYPES,
  type Model,
  type TensorInfo,
  totalElements,
  wordsOf,
} from '../model/tensor.js';
import { type ByteSource, type Bytes, sliceOf, sourceOf } from './byte-source.js';
import { checkOp } from './check-op.js';
import { createChecksum } from './checksum.js';
import { decodePayload } from './decode.js';
import { type Diff, type Meta, type Op, type PayloadHeader, tensorsOf } from './diff.js';
import { encodeRecords } from './encode-records.js';
import { checkMeta, headerValue, layoutOf, MAGIC, type RecordKind } from './header.js';
import { beyondLimit, MAX_BUCKETS, MAX_PASSES, MAX_PAYLOAD_BYTES, MAX_RECORDS } from './limits.js';
import { CHECKSUM_BYTES } from './open-payload.js';
import { patchModel, patchRange } from './patch.js';
import type { ChooseHead } from './sparse-writer.js';

/** Header fields and tensors for `encodePayload`. */
export interface PayloadFacts extends Pick<PayloadHeader, 'base' | 'next' | 'meta'> {
  /** The model's tensors, in any order. */
  readonly tensors: readonly TensorInfo[];
}

/**
 * Packs a diff into a payload file. Deterministic: the same arguments give the same bytes on any machine.
 *
 * @param facts fingerprints of base and next in hexadecimal digits, the model's tensors, metadata
 * @param diff the ops; the tensors of a hash op in canonical order
 * @returns the payload file
 * @throws RangeError for an invalid fingerprint; for an op with unknown tensors, tensors out of order or
 *   values out of range; for metadata that a reader would refuse
 * @throws NeuralDiffError `limit-exceeded` for too many ops or buckets
 */
export async function encodePayload(facts: PayloadFacts, diff: Diff): Promise<Uint8Array> {
  const infos = canonicalOrder(facts.tensors);
  checkFingerprint(facts.base);
  checkFingerprint(facts.next);
  checkInput(facts.meta, diff, infos);
  const records = encodeRecords(diff.ops, infos);
  checkLimits(diff.ops, records.length);
  const header = { base: facts.base, next: facts.next, meta: facts.meta, layout: await layoutOf(infos) };
  return joinPieces(framePayload(header, records));
}

/** A diff packed for a base, with the resulting model. */
export interface PackedDiff {
  readonly payload: Uint8Array;
  /** Fingerprints in hexadecimal digits. */
  readonly base: string;
  readonly next: string;
  /** The base with the decoded payload applied. */
  readonly model: Model;
}

/**
 * Packs a diff, then decodes the file and applies it to the base.
 *
 * The returned model is therefore exactly the one that devices will have.
 *
 * @param base the model on the devices
 * @param diff the diff
 * @param meta metadata of the payload
 */
export async function packDiff(base: Model, diff: Diff, meta: Meta = {}): Promise<PackedDiff> {
  const baseFingerprint = await fingerprint(openMemoryStore(base));
  const expected = await patchedFingerprint(base, diff);
  const header = { base: baseFingerprint, next: expected, tensors: base.tensors, meta };
  const payload = await encodePayload(header, diff);
  const model = patchModel(base, (await decodePayload(payload, base.tensors)).diff);
  const next = await fingerprint(openMemoryStore(model));
  if (next !== expected) throw new Error(`Cannot pack diff: expected next model ${expected}, got ${next}`);
  return { payload, base: baseFingerprint, next, model };
}

/**
 * Computes the size of a diff's payload file in bytes, without hashing models.
 *
 * @param tensors the model's tensors, in canonical order
 * @param ops the ops, as `encodePayload` takes them
 * @param options the metadata; how positions of sparse ops are coded, in the fewest bits by default
 */
export function payloadBytes(
  tensors: readonly TensorInfo[],
  ops: readonly Op[],
  { meta = {}, choose }: { meta?: Meta | undefined; choose?: ChooseHead | undefined } = {},
): number {
  return framedBytes(encodeRecords(ops, tensors, choose), { meta, isUnchanged: ops.length === 0 });
}

/** @returns the size of the smallest payload of a model that changes: header and checksum */
export function leastBytes(): number {
  return framedBytes([], { meta: {}, isUnchanged: false });
}

function framedBytes(
  records: readonly WrittenRecord[],
  { meta, isUnchanged }: { meta: Meta; isUnchanged: boolean },
): number {
  const [base, other] = ['00', '01'].map((byte) => byte.repeat(FINGERPRINT_BYTES)) as [string, string];
  const header = { base, next: isUnchanged ? base : other, layout: 0xffffffff, meta };
  return framePayload(header, records).payloadBytes;
}

function checkFingerprint(digits: string): void {
  if (/^[0-9a-f]{32}$/.test(digits)) return;
  throw new RangeError(
    `Cannot pack diff: expected fingerprints of ${2 * FINGERPRINT_BYTES} lower-case hexadecimal digits, got "${digits}"`,
  );
}

/** @throws RangeError for anything that a reader would refuse */
function checkInput(meta: Meta, diff: Diff, tensors: readonly TensorInfo[]): void {
  try {
    checkMeta(meta);
  } catch (cause) {
    throw new RangeError(`Cannot pack metadata: ${(cause as Error).message}`, { cause });
  }
  const indexes = new Map(tensors.map((info, index) => [info.name, index]));
  for (const op of diff.ops) {
    const chosen = tensorsOf(op).map((name) => indexes.get(name) ?? unknownTensor(name));
    if (chosen.length === 0 || chosen.some((index, i) => i > 0 && index <= (chosen[i - 1] as number)))
      throw new RangeError('Cannot pack diff: expected the tensors of a hash op in canonical order');
    const infos = chosen.map((index) => wordsOf(tensors[index] as TensorInfo));
    checkOp(op, infos);
  }
}

/** @throws NeuralDiffError `limit-exceeded` for ops that take a reader more work or memory than it allows */
function checkLimits(ops: readonly Op[], records: number): void {
  if (records > MAX_RECORDS) throw beyondLimit('records', MAX_RECORDS, records);
  const buckets = ops.reduce((sum, op) => sum + (op.kind === 'hash' ? op.buckets.values.length : 0), 0);
  if (buckets > MAX_BUCKETS) throw beyondLimit('buckets', MAX_BUCKETS, buckets);
  const passes = new Map<string, number>();
  for (const name of ops.flatMap(tensorsOf)) passes.set(name, (passes.get(name) ?? 0) + 1);
  const most = Math.max(0, ...passes.values());
  if (most > MAX_PASSES) throw beyondLimit('records for one tensor', MAX_PASSES, most);
}

function unknownTensor(name: string): never {
  throw new RangeError(`Cannot pack diff: the model has no tensor "${name}"`);
}

/** A record to be framed; its bytes need not be in memory. */
interface WrittenRecord {
  readonly kind: RecordKind;
  readonly bytes: Bytes;
}

/** @returns the fingerprint of a base with a diff applied, without a copy of it in memory */
function patchedFingerprint(base: Model, { ops }: Diff): Promise<string> {
  const store = openMemoryStore(base);
  const infos = new Map(base.tensors.map((tensor) => [tensor.name, tensor]));
  return fingerprint({
    ...store,
    async readInto(name, byteOffset, target) {
      await store.readInto(name, byteOffset, target);
      const info = infos.get(name) as TensorInfo;
      patchRange(ops, info, { startElement: byteOffset / DTYPES[wordsOf(info).dtype].bytes, bytes: target });
    },
  });
}

/** A payload file in pieces. */
interface FramedPayload {
  /** In order; read from the records lazily. */
  readonly pieces: AsyncIterable<Uint8Array>;
  readonly payloadBytes: number;
}

/**
 * Adds header and checksum to records.
 *
 * @throws NeuralDiffError `limit-exceeded` for more than `MAX_PAYLOAD_BYTES`
 */
export function framePayload(header: PayloadHeader, records: readonly WrittenRecord[]): FramedPayload {
  const kinds = records.map(({ kind }) => kind);
  const values = [
    sourceOf(concatBytes([packValue(MAGIC), packValue(headerValue(header, kinds))])),
    ...records.flatMap(({ bytes }) => recordValues(sourceOf(bytes))),
  ];
  const payloadBytes = values.reduce((sum, { length }) => sum + length, CHECKSUM_BYTES);
  if (payloadBytes > MAX_PAYLOAD_BYTES)
    throw beyondLimit('bytes of a payload', MAX_PAYLOAD_BYTES, payloadBytes);
  return { pieces: withChecksum(values), payloadBytes };
}

/** Most bytes of a `bin` of MessagePack, and most parts of a record. */
const MAX_BIN_BYTES = 2 ** 32 - 1;
const MAX_PARTS = 15;

/**
 * Frames a record as binary data; one that is too long for that as a list of parts.
 *
 * @param most bytes of a part
 * @throws NeuralDiffError `limit-exceeded` for more than 15 parts
 */
export function recordValues(record: ByteSource, most = MAX_BIN_BYTES): ByteSource[] {
  if (record.length <= most) return [sourceOf(binHead(record.length)), record];
  const count = Math.ceil(record.length / most);
  if (count > MAX_PARTS) throw beyondLimit('bytes of a record', MAX_PARTS * most, record.length);
  const parts = Array.from({ length: count }, (_, i) =>
    sliceOf(record, i * most, Math.min((i + 1) * most, record.length)),
  );
  return [
    sourceOf(Uint8Array.of(0x90 + count)),
    ...parts.flatMap((part) => [sourceOf(binHead(part.length)), part]),
  ];
}

/** @returns the payload file as one array */
export async function joinPieces({ pieces }: FramedPayload): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return concatBytes(parts);
}

async function* withChecksum(values: readonly ByteSource[]): AsyncGenerator<Uint8Array> {
  const checksum = await createChecksum();
  for (const value of values) {
    for (let at = 0; at < value.length; ) {
      const piece = value.borrow(at);
      checksum.update(piece);
      yield piece;
      at += piece.length;
    }
  }
  yield packValue(checksum.digest());
}

function binHead(length: number): Uint8Array {
  const type = length < 2 ** 8 ? 0 : length < 2 ** 16 ? 1 : 2;
  const bytes = Array.from(
    { length: 1 << type },
    (_, i) => (length / 2 ** (8 * ((1 << type) - 1 - i))) & 255,
  );
  return Uint8Array.of(0xc4 + type, ...bytes);
}

/** Packs a string, whole number, list, plain map or `Uint8Array` in its shortest form. */
function packValue(value: unknown): Uint8Array {
  const packed = new Packr({ useRecords: false, variableMapSize: true }).pack(value);
  // The packer returns a view of a buffer that its next call overwrites.
  return new Uint8Array(packed);
}

/**
 * Limit on a payload's size: bytes (`20000`, `'20kB'`, `'1.5 MiB'`) or a share of the float32 model
 * (`'0.7%'`).
 */
export type Budget = number | string;

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

const EXPECTED = 'expected bytes ("20000", "20kB", "1MiB") or a share ("0.7%")';

/** @returns the size of the model's weights as float32 in bytes, the reference of budgets in percent */
export function float32Bytes(tensors: readonly TensorInfo[]): number {
  return 4 * totalElements(tensors);
}

/**
 * Parses a budget, without checking that a payload can meet it.
 *
 * @param budget bytes, bytes with a unit, or a percentage
 * @param tensors the model's tensors
 * @returns whole bytes, at least 1
 * @throws RangeError for anything else
 */
export function readBudget(budget: Budget, tensors: readonly TensorInfo[]): number {
  const text = String(budget).trim();
  const parts = /^(\d+(?:\.\d+)?)\s*([a-z]*|%)$/i.exec(text);
  const unit = parts?.[2]?.toLowerCase() ?? '?';
  const factor = unit === '%' ? float32Bytes(tensors) / 100 : UNITS[unit];
  const bytes = Math.floor(Number(parts?.[1]) * (factor ?? Number.NaN));
  if (!(bytes >= 1)) throw new RangeError(`Cannot read budget "${text}": ${EXPECTED}`);
  return bytes;
}

/** @returns the error for a budget below the smallest payload */
export function impossibleBudget(bytes: number, least: number): NeuralDiffError {
  const message = `Cannot meet a budget of ${bytes} bytes: expected at least ${least} for this model`;
  return new NeuralDiffError('budget-impossible', message, { facts: { bytes, least } });
}

/**
 * Parses a budget and checks that an empty payload meets it.
 *
 * @param budget bytes, bytes with a unit, or a percentage
 * @param tensors the model's tensors
 * @returns whole bytes, at least 1
 * @throws RangeError for anything else; NeuralDiffError `budget-impossible` when not even a header fits
 */
export function budgetBytes(budget: Budget, tensors: readonly TensorInfo[]): number {
  const bytes = readBudget(budget, tensors);
  const least = leastBytes();
  if (bytes < least) throw impossibleBudget(bytes, least);
  return bytes;
}
