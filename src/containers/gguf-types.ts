import { asBytes, type StoredType } from '../model/index.js';

/** A type of weights in a GGUF file. */
export interface GgufType {
  /** Weights in a block, and its bytes. */
  readonly elements: number;
  readonly bytes: number;
  /** Of types that are no blocks. */
  readonly stored?: StoredType;
}

const plain = (stored: StoredType, bytes: number): GgufType => ({ elements: 1, bytes, stored });
const blocks = (elements: number, bytes: number): GgufType => ({ elements, bytes });

/** By the number in `ggml_type`. */
const TYPES: Readonly<Record<number, GgufType>> = {
  0: plain({ dtype: 'float32' }, 4),
  1: plain({ dtype: 'float16' }, 2),
  2: blocks(32, 18),
  3: blocks(32, 20),
  6: blocks(32, 22),
  7: blocks(32, 24),
  8: blocks(32, 34),
  9: blocks(32, 36),
  10: blocks(256, 84),
  11: blocks(256, 110),
  12: blocks(256, 144),
  13: blocks(256, 176),
  14: blocks(256, 210),
  15: blocks(256, 292),
  16: blocks(256, 66),
  17: blocks(256, 74),
  18: blocks(256, 98),
  19: blocks(256, 50),
  20: blocks(32, 18),
  21: blocks(256, 110),
  22: blocks(256, 82),
  23: blocks(256, 136),
  24: plain({ dtype: 'int8' }, 1),
  25: plain(asBytes(2), 2),
  26: plain({ dtype: 'int32' }, 4),
  27: plain(asBytes(8), 8),
  28: plain(asBytes(8), 8),
  29: blocks(256, 56),
  30: plain({ dtype: 'bfloat16' }, 2),
  34: blocks(256, 54),
  35: blocks(256, 66),
  39: blocks(32, 17),
};

/** @returns the type with a number; undefined for one that is not known */
export function typeOfGguf(code: number): GgufType | undefined {
  return Object.hasOwn(TYPES, code) ? TYPES[code] : undefined;
}
