import { DTYPES, type TensorInfo } from '../../model/tensor.js';
import { type DenseOp, type HashOp, isSet, type Op, ordinalIn, type SparseOp } from '../../payload/diff.js';
import { MAX_BLOCK, MAX_SPARSE_LEVEL } from '../../payload/limits.js';
import { lowerBound, patchRange } from '../../payload/patch.js';
import { tensorSeed } from '../../payload/placement.js';
import { type Arena, MAX_BYTE_BUCKETS, MAX_TABLE_BUCKETS, PIECE, tableBytes } from './arena.js';

/** A range of a tensor's elements in an arena. */
interface Target {
  readonly info: TensorInfo;
  /** Index of the first element in its tensor. */
  readonly startElement: number;
  readonly bytes: Uint8Array;
}

/**
 * Applies ops to a range in an arena.
 *
 * @param arena the arena
 * @param ops ops that touch the tensor, in order
 * @param target the range
 */
export function patchArena(arena: Arena, ops: readonly Op[], target: Target): void {
  for (const op of ops) {
    if (!canPatch(op, target.info)) patchRange([op], target.info, target);
    else if (op.kind === 'hash') patchHash(arena, op, target);
    else if (op.kind === 'sparse') patchSparse(arena, op, target);
    else if (op.kind === 'dense') patchDense(arena, op, target);
  }
}

/** Highest code of a dtype that the kernels know. */
const LAST_DTYPE = DTYPES.int32.code;

/**
 * Checks whether the kernels support an op.
 *
 * @returns false for exact, set and low-rank ops, for other dtypes, for scales that payloads cannot
 *   have (not float32, or not whole for integers), and for more buckets than the tables can hold
 */
export function canPatch(op: Op, info: TensorInfo): boolean {
  if (op.kind === 'exact' || isSet(op) || op.kind === 'low-rank') return false;
  if (DTYPES[info.dtype].code > LAST_DTYPE) return false;
  const isInteger = DTYPES[info.dtype].kind === 'integer';
  // Kernels add 32-bit integers; larger products need plain arithmetic.
  if (op.kind === 'sparse' && isInteger && op.scale * MAX_SPARSE_LEVEL >= 2 ** 31) return false;
  if (op.kind !== 'hash') return isScale(op.scale, isInteger);
  const { block, buckets, tensors } = op;
  const max = usesByteTable(op, info) ? MAX_BYTE_BUCKETS : MAX_TABLE_BUCKETS;
  if (block > MAX_BLOCK || buckets.values.length > max) return false;
  if (isInteger && buckets.coding === 'float') return false;
  const hashed = tensors[ordinalIn(op, info.name) ?? 0];
  return hashed !== undefined && isScale(hashed.scale, isInteger);
}

function isScale(scale: number, isInteger: boolean): boolean {
  if (isInteger) return Number.isInteger(scale) && scale > 0 && scale < 2 ** 24;
  return Math.fround(scale) === scale && scale > 0;
}

function patchHash({ kernels, tables }: Arena, op: HashOp, target: Target): void {
  const { info, startElement, bytes } = target;
  const { code, bytes: size, kind } = DTYPES[info.dtype];
  const ordinal = ordinalIn(op, info.name) as number;
  const { scale } = op.tensors[ordinal] as { scale: number };
  const { values } = op.buckets;
  const count = bytes.length / size;
  const index = Math.floor(startElement / op.block);
  const skipped = startElement % op.block;
  const seed = tensorSeed(op.seed, ordinal);
  const placement = [bytes.byteOffset, count, index, skipped, op.block, seed, values.length] as const;
  tables.pay(count);
  if (usesByteTable(op, info)) {
    kernels.patchBytes(...placement, tables.locateBytes(values), scale);
    return;
  }
  const table = tables.locate(values, scale, kind);
  if (table === undefined) patchRange([op], info, target);
  else kernels.patchHash(code, ...placement, table, tableBytes(values.length));
}

/** @returns whether the kernels read an op's buckets from a byte table */
function usesByteTable({ block, buckets }: HashOp, info: TensorInfo): boolean {
  return info.dtype === 'float32' && buckets.coding !== 'float' && (block === 1 || block % 8 === 0);
}

function patchSparse(arena: Arena, op: SparseOp, { info, startElement, bytes }: Target): void {
  const { code, bytes: size } = DTYPES[info.dtype];
  const end = lowerBound(op.positions, startElement + bytes.length / size);
  for (let start = lowerBound(op.positions, startElement); start < end; start += PIECE) {
    const count = Math.min(PIECE, end - start);
    const { positions, levels } = arena.putSparse(
      op.positions.subarray(start, start + count),
      op.levels.subarray(start, start + count),
    );
    arena.kernels.patchSparse(code, bytes.byteOffset, startElement, positions, levels, count, op.scale);
  }
}

function patchDense(arena: Arena, op: DenseOp, { info, startElement, bytes }: Target): void {
  const { code, bytes: size } = DTYPES[info.dtype];
  const elements = bytes.length / size;
  for (let start = 0; start < elements; start += PIECE) {
    const count = Math.min(PIECE, elements - start);
    const first = startElement + start - (op.first ?? 0);
    const levels = arena.putDense(op.levels.subarray(first, first + count));
    arena.kernels.patchDense(code, bytes.byteOffset + start * size, levels, count, op.scale);
  }
}
