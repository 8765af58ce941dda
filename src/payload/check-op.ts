import { DTYPES, elementCount, type TensorInfo, totalElements } from '../model/index.js';
import type { DenseOp, HashOp, Op, SparseOp } from './diff.js';
import { MAX_BLOCK, MAX_BUCKETS, MAX_DENSE_LEVEL, MAX_SPARSE_LEVEL } from './limits.js';
import { isScale } from './scale.js';

/**
 * Checks an op that is about to be packed: what a reader would refuse, and what would be packed as something else.
 *
 * @param op the op
 * @param infos its tensors, in order
 * @throws RangeError
 */
export function checkOp(op: Op, infos: readonly TensorInfo[]): void {
  if (op.kind === 'hash') checkHashOp(op, infos);
  else checkLevels(op, infos[0] as TensorInfo);
}

function checkLevels(op: SparseOp | DenseOp, info: TensorInfo): void {
  const { levels, tensor } = op;
  checkScale(op.scale, info);
  const most = op.kind === 'sparse' ? MAX_SPARSE_LEVEL : MAX_DENSE_LEVEL;
  const fits = (level: number): boolean => Math.abs(level) <= most && (op.kind === 'dense' || level !== 0);
  expect(Array.prototype.every.call(levels, fits), tensor, `levels up to ${most}`);
  const elements = elementCount(info);
  if (op.kind === 'dense') {
    const isWhole = levels.length === elements && (op.first ?? 0) === 0;
    expect(isWhole, tensor, `${elements} levels, got ${levels.length}`);
    return;
  }
  const ascending = op.positions.every(
    (p, i) => p < elements && (i === 0 || p > (op.positions[i - 1] as number)),
  );
  const matches = op.positions.length === levels.length && levels.length > 0;
  expect(ascending && matches, tensor, `ascending positions below ${elements}, with a level each`);
}

function checkHashOp(op: HashOp, infos: readonly TensorInfo[]): void {
  const [tensor] = op.tensors.map((hashed) => hashed.tensor);
  const name = tensor ?? '';
  expect(isWhole(op.seed, 0, 2 ** 32 - 1), name, `a seed of 32 bits, got ${op.seed}`);
  expect(isWhole(op.block, 1, MAX_BLOCK), name, `blocks of 1 to ${MAX_BLOCK}, got ${op.block}`);
  const { coding, values } = op.buckets;
  const most = Math.min(MAX_BUCKETS, Math.max(1, totalElements(infos)));
  expect(isWhole(values.length, 1, most), name, `1 to ${most} buckets, got ${values.length}`);
  const fits = (value: number): boolean =>
    coding === 'float' ? Number.isFinite(value) : Math.abs(value) <= MAX_DENSE_LEVEL;
  expect(Array.prototype.every.call(values, fits), name, `${coding} buckets`);
  infos.forEach((info, i) => {
    checkScale((op.tensors[i] as { scale: number }).scale, info);
    const takes = coding !== 'float' || DTYPES[info.dtype].kind === 'float';
    expect(takes, info.name, 'no float buckets for integers');
  });
}

function checkScale(scale: number, info: TensorInfo): void {
  expect(isScale(scale, info), info.name, `a scale of 8 significant bits, got ${scale}`);
}

function isWhole(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

function expect(isRight: boolean, tensor: string, expected: string): void {
  if (!isRight) throw new RangeError(`Cannot pack op for tensor "${tensor}": expected ${expected}`);
}
