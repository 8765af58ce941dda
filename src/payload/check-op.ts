import { byteLength, DTYPES, elementCount, type TensorInfo, totalElements } from '../model/tensor.js';
import {
  type DenseOp,
  type ExactOp,
  type HashOp,
  isSet,
  type LowRankOp,
  type Op,
  type SetOp,
  type SparseOp,
} from './diff.js';
import { MAX_BLOCK, MAX_BUCKETS, MAX_DENSE_LEVEL, MAX_SPARSE_LEVEL } from './limits.js';
import { sidesOf } from './low-rank-record.js';
import { isScale } from './record-head.js';
import { levelRange } from './sparse-levels.js';

/**
 * Checks that an op can be packed and read back unchanged.
 *
 * @param op the op
 * @param infos its tensors, in order
 * @throws RangeError for an op that a reader would refuse or decode differently
 */
export function checkOp(op: Op, infos: readonly TensorInfo[]): void {
  if (op.kind === 'hash') checkHashOp(op, infos);
  else if (op.kind === 'dense') checkDenseOp(op, infos[0] as TensorInfo);
  else if (op.kind === 'low-rank') checkLowRankOp(op, infos[0] as TensorInfo);
  else if (isSet(op)) checkSetOp(op, infos[0] as TensorInfo);
  else checkChanges(op, infos[0] as TensorInfo);
}

function checkDenseOp({ tensor, scale, levels, first = 0 }: DenseOp, info: TensorInfo): void {
  checkScale(scale, info);
  checkLevels(tensor, levels, { min: -MAX_DENSE_LEVEL, max: MAX_DENSE_LEVEL });
  const elements = elementCount(info);
  const isWhole = levels.length === elements && first === 0;
  expect(isWhole, tensor, `${elements} levels, got ${levels.length}`);
}

function checkLowRankOp(op: LowRankOp, info: TensorInfo): void {
  const { tensor, split, scales, columns, rows, firstRow = 0 } = op;
  const sides = sidesOf(info, split);
  const rank = scales.length;
  expect(sides.most > 0, tensor, 'floats of 16 or 32 bits, and a split below their dimensions');
  expect(isWhole(rank, 1, sides.most), tensor, `a rank of 1 to ${sides.most}, got ${rank}`);
  for (const scale of scales) checkScale(scale, info);
  for (const levels of [columns, rows])
    checkLevels(tensor, levels, { min: -MAX_SPARSE_LEVEL, max: MAX_SPARSE_LEVEL });
  const fits = columns.length === rank * sides.columns && rows.length === sides.rows * rank && firstRow === 0;
  expect(fits, tensor, `levels for ${sides.rows} rows and ${sides.columns} columns of rank ${rank}`);
}

function checkSetOp({ tensor, bytes, first = 0 }: SetOp, info: TensorInfo): void {
  const length = byteLength(info);
  expect(bytes.length === length && first === 0, tensor, `${length} bytes, got ${bytes.length}`);
}

function checkChanges(op: SparseOp | ExactOp, info: TensorInfo): void {
  const { tensor, positions, levels } = op;
  if (op.kind === 'sparse') checkScale(op.scale, info);
  checkLevels(tensor, levels, levelRange(op.kind, info));
  expect(!levels.includes(0), tensor, 'levels other than 0');
  const elements = elementCount(info);
  const ascending = positions.every((p, i) => p < elements && (i === 0 || p > (positions[i - 1] as number)));
  const matches = positions.length === levels.length && levels.length > 0;
  expect(ascending && matches, tensor, `ascending positions below ${elements}, with a level each`);
}

function checkLevels(
  tensor: string,
  levels: ArrayLike<number>,
  { min, max }: { min: number; max: number },
): void {
  const fits = Array.prototype.every.call(levels, (level) => level >= min && level <= max);
  expect(fits, tensor, `levels from ${min} to ${max}`);
}

function checkHashOp(op: HashOp, infos: readonly TensorInfo[]): void {
  const [tensor] = op.tensors.map((hashed) => hashed.tensor);
  const name = tensor ?? '';
  expect(isWhole(op.seed, 0, 2 ** 32 - 1), name, `a seed of 32 bits, got ${op.seed}`);
  expect(isWhole(op.block, 1, MAX_BLOCK), name, `blocks of 1 to ${MAX_BLOCK}, got ${op.block}`);
  const { coding, values } = op.buckets;
  const max = Math.min(MAX_BUCKETS, Math.max(1, totalElements(infos)));
  expect(isWhole(values.length, 1, max), name, `1 to ${max} buckets, got ${values.length}`);
  const fits = (value: number): boolean =>
    coding === 'float' ? Number.isFinite(value) : Math.abs(value) <= MAX_DENSE_LEVEL;
  expect(Array.prototype.every.call(values, fits), name, `${coding} buckets`);
  infos.forEach((info, i) => {
    checkScale((op.tensors[i] as { scale: number }).scale, info);
    const isAllowed = coding !== 'float' || DTYPES[info.dtype].kind === 'float';
    expect(isAllowed, info.name, 'no float buckets for integers');
  });
}

function checkScale(scale: number, info: TensorInfo): void {
  expect(isScale(scale, info), info.name, `a scale of 8 significant bits, got ${scale}`);
}

function isWhole(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

function expect(isRight: boolean, tensor: string, expected: string): void {
  if (!isRight) throw new RangeError(`Cannot pack op for tensor "${tensor}": expected ${expected}`);
}
