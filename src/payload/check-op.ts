import { DTYPES, elementCount, type TensorInfo } from '../model/index.js';
import type { DenseOp, HashOp, Op, SparseOp } from './diff.js';
import { MAX_BLOCK, MAX_BUCKETS, MAX_LEVEL_BITS, MAX_SCALE } from './limits.js';

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
  const { bits, levels, tensor } = op;
  expect(isWhole(bits, op.kind === 'sparse' ? 1 : 2, MAX_LEVEL_BITS), tensor, `bits a level, got ${bits}`);
  checkScale(op.scale, info);
  const most = op.kind === 'sparse' ? 2 ** (bits - 1) : 2 ** (bits - 1) - 1;
  const fits = (level: number): boolean => Math.abs(level) <= most && (op.kind === 'dense' || level !== 0);
  expect(Array.prototype.every.call(levels, fits), tensor, `levels of ${bits} bits`);
  const elements = elementCount(info);
  if (op.kind === 'dense') {
    expect(levels.length === elements, tensor, `${elements} levels, got ${levels.length}`);
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
  expect(isWhole(values.length, 1, MAX_BUCKETS), name, `1 to ${MAX_BUCKETS} buckets, got ${values.length}`);
  const fits = (value: number): boolean => {
    if (coding === 'float') return Number.isFinite(value);
    return Math.abs(value) === 1 || (coding === 'ternary' && value === 0);
  };
  expect(Array.prototype.every.call(values, fits), name, `${coding} buckets`);
  infos.forEach((info, i) => {
    checkScale((op.tensors[i] as { scale: number }).scale, info);
    expect(
      coding !== 'float' || DTYPES[info.dtype].kind === 'float',
      info.name,
      'no float buckets for integers',
    );
  });
}

function checkScale(scale: number, info: TensorInfo): void {
  const isFloat = DTYPES[info.dtype].kind === 'float';
  const isRight = scale > 0 && scale <= MAX_SCALE && Math.fround(scale) === scale;
  expect(
    isRight && (isFloat || isWhole(scale, 1, 2 ** 24 - 1)),
    info.name,
    `a positive float32 scale, got ${scale}`,
  );
}

function isWhole(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

function expect(isRight: boolean, tensor: string, expected: string): void {
  if (!isRight) throw new RangeError(`Cannot pack op for tensor "${tensor}": expected ${expected}`);
}
