import { elementCount, type TensorInfo, wordsOf } from '../model/tensor.js';
import { DenseLevels } from './dense-record.js';
import {
  type DenseOp,
  type ExactOp,
  type HashOp,
  type LowRankOp,
  type Op,
  type SetOp,
  type SparseOp,
  tensorsOf,
} from './diff.js';
import { BucketCoding, codePlacement } from './hash-record.js';
import { LowRankCoding } from './low-rank-record.js';
import { RangeEncoder } from './range-encoder.js';
import { codeTensors, ScaleCoding } from './record-head.js';
import { ElementCoding } from './set-record.js';
import type { SparseHead } from './sparse-record.js';
import { type ChooseHead, chooseHead, SparseWriter } from './sparse-writer.js';

/** One or more packed ops of one kind. */
export interface EncodedRecord {
  readonly kind: Op['kind'];
  readonly bytes: Uint8Array;
}

/** An op with positions. */
type ChangeOp = SparseOp | ExactOp;

/**
 * Packs ops. Consecutive ops of one kind with ascending tensors share a record, except hash ops.
 *
 * @param ops the ops, checked
 * @param tensors the model's tensors, in canonical order
 * @param choose how positions of sparse ops are coded; defaults to the fewest bits
 */
export function encodeRecords(
  ops: readonly Op[],
  tensors: readonly TensorInfo[],
  choose?: ChooseHead,
): EncodedRecord[] {
  const infos = tensors.map(wordsOf);
  const indexes = new Map(infos.map((info, index) => [info.name, index]));
  return groupOps(ops.map(withoutBase), indexes).map((group) => ({
    kind: (group[0] as Op).kind,
    bytes: encodeGroup(group, infos, choose),
  }));
}

/** New elements that a delta record gave are packed without the base, as a set op. */
function withoutBase(op: Op): Op {
  return op.kind === 'delta' ? { ...op, kind: 'set' } : op;
}

function groupOps(ops: readonly Op[], indexes: ReadonlyMap<string, number>): Op[][] {
  const groups: Op[][] = [];
  const indexOf = (op: Op): number => indexes.get(tensorsOf(op)[0] as string) as number;
  for (const op of ops) {
    const group = groups.at(-1);
    const last = group?.at(-1);
    const isNext = last && op.kind !== 'hash' && last.kind === op.kind && indexOf(last) < indexOf(op);
    if (isNext) group?.push(op);
    else groups.push([op]);
  }
  return groups;
}

function encodeGroup(
  group: readonly Op[],
  infos: readonly TensorInfo[],
  choose: ChooseHead | undefined,
): Uint8Array {
  const [first] = group as [Op];
  if (first.kind === 'hash') return encodeHash(first, infos);
  if (first.kind === 'dense') return encodeDense(group as DenseOp[], infos);
  if (first.kind === 'set') return encodeSet(group as SetOp[], infos);
  if (first.kind === 'low-rank') return encodeLowRank(group as LowRankOp[], infos);
  return encodeSparse(group as (SparseOp | ExactOp)[], infos, choose);
}

function encodeDense(ops: readonly DenseOp[], infos: readonly TensorInfo[]): Uint8Array {
  const encoder = new RangeEncoder();
  const chosen = codeTensors(encoder, infos, new Set(ops.map((op) => op.tensor)));
  const scales = new ScaleCoding(encoder);
  const coding = new DenseLevels(encoder);
  ops.forEach(({ scale, levels }, i) => {
    scales.code(chosen[i] as TensorInfo, scale);
    for (const level of levels) coding.code(level);
  });
  return encoder.finish();
}

function encodeLowRank(ops: readonly LowRankOp[], infos: readonly TensorInfo[]): Uint8Array {
  const encoder = new RangeEncoder();
  const chosen = codeTensors(encoder, infos, new Set(ops.map((op) => op.tensor)));
  const coding = new LowRankCoding(encoder);
  ops.forEach(({ split, scales, columns, rows }, i) => {
    coding.codeHead({ split, rank: scales.length });
    coding.codeScales(chosen[i] as TensorInfo, scales.slice());
    coding.codeColumns(columns.slice());
    coding.codeRows(rows.slice());
  });
  return encoder.finish();
}

function encodeHash(op: HashOp, infos: readonly TensorInfo[]): Uint8Array {
  const encoder = new RangeEncoder();
  const chosen = codeTensors(encoder, infos, new Set(tensorsOf(op)));
  codePlacement(encoder, { seed: op.seed, block: op.block, count: op.buckets.values.length });
  const scales = new ScaleCoding(encoder);
  op.tensors.forEach(({ scale }, i) => {
    scales.code(chosen[i] as TensorInfo, scale);
  });
  new BucketCoding(encoder, op.buckets.coding).code(op.buckets.values.slice());
  return encoder.finish();
}

/**
 * Packs sparse or exact ops into one record.
 *
 * @param ops at least one op, all of one kind, with ascending tensors
 * @param infos the directory
 * @param choose how positions of sparse ops are coded; defaults to the fewest bits
 */
export function encodeSparse(
  ops: readonly ChangeOp[],
  infos: readonly TensorInfo[],
  choose?: ChooseHead,
): Uint8Array {
  const { kind } = ops[0] as ChangeOp;
  const byName = new Map(infos.map((info) => [info.name, info]));
  const writer = new SparseWriter(infos, { kind, tensors: new Set(ops.map((op) => op.tensor)) });
  for (const op of ops) {
    const info = byName.get(op.tensor) as TensorInfo;
    writer.open(info, choose && op.kind === 'sparse' ? choose(op, info) : headOf(op, info));
    writer.write(op, elementCount(info));
  }
  return writer.finish();
}

function headOf(op: ChangeOp, info: TensorInfo): SparseHead {
  const scale = op.kind === 'sparse' ? op.scale : 1;
  return chooseHead(info, { kind: op.kind, scale, count: op.positions.length }, op).head;
}

/** Options of `SetWriter`. */
interface SetWriterOptions {
  /** Names of the record's tensors, at least one. */
  readonly tensors: ReadonlySet<string>;
  /** Receives bytes as they are written; without a sink `finish` returns all of them. */
  readonly sink?: (bytes: Uint8Array) => void;
}

/** Writes a set record sequentially, a run of elements at a time; the counterpart of `SetReader`. */
export class SetWriter {
  readonly #encoder: RangeEncoder;
  readonly #elements: ElementCoding;

  /** @param infos the model's tensors, in canonical order */
  constructor(infos: readonly TensorInfo[], { tensors, sink }: SetWriterOptions) {
    this.#encoder = new RangeEncoder(sink);
    codeTensors(this.#encoder, infos, tensors);
    this.#elements = new ElementCoding(this.#encoder);
  }

  /** @param bytes the next elements of the record's tensors, aligned to the element size in their buffer */
  write(info: TensorInfo, bytes: Uint8Array): void {
    this.#elements.code(info, bytes);
  }

  /** @returns the bytes that the sink has not received */
  finish(): Uint8Array {
    return this.#encoder.finish();
  }
}

/** Packs at least one set op, with ascending tensors, into one record. */
export function encodeSet(ops: readonly SetOp[], infos: readonly TensorInfo[]): Uint8Array {
  const byName = new Map(infos.map((info) => [info.name, info]));
  const writer = new SetWriter(infos, { tensors: new Set(ops.map((op) => op.tensor)) });
  // Copies, since the ops' elements may be unaligned.
  for (const { tensor, bytes } of ops) writer.write(byName.get(tensor) as TensorInfo, bytes.slice());
  return writer.finish();
}

/** Measures the size of elements in a set record, without keeping the output. */
export class SetTrial {
  readonly #encoder = new RangeEncoder(() => {});
  readonly #elements = new ElementCoding(this.#encoder);

  /** @param bytes elements, aligned to the element size in their buffer */
  add(info: TensorInfo, bytes: Uint8Array): void {
    this.#elements.code(info, bytes);
  }

  /** Size of the elements so far, in bits. */
  get bits(): number {
    return this.#encoder.cost;
  }
}
