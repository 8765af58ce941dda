import { NeuralDiffError, type TensorInfo, totalElements } from '../model/index.js';

/** A limit on the payload file: bytes (`20000`, `'20kB'`, `'1.5 MiB'`) or a share of the float32 model (`'0.7%'`). */
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

/** @returns the bytes that the model's weights take as float32: what shares are shares of */
export function float32Bytes(tensors: readonly TensorInfo[]): number {
  return 4 * totalElements(tensors);
}

/**
 * Reads a budget; whether a payload fits is not asked.
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

/** @returns the error for a budget that not even the smallest diff meets */
export function impossibleBudget(bytes: number, least: number): NeuralDiffError {
  const message = `Cannot meet a budget of ${bytes} bytes: the smallest payload for this model takes ${least}`;
  return new NeuralDiffError('budget-impossible', message, { facts: { bytes, least } });
}
