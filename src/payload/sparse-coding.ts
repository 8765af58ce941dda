import { BitWriter } from './bits.js';
import { corrupt } from './corrupt.js';

/** Largest Rice parameter: gaps beyond 2^24 fall back on the unary part. */
const MAX_RICE = 24;

/** Positions and levels as one op holds them. */
export interface SparseValues {
  /** Strictly ascending. */
  readonly positions: Uint32Array;
  /** One a position, from -2^(bits-1) to 2^(bits-1), never zero. */
  readonly levels: Int16Array;
}

/**
 * Codes positions as Rice-coded gaps, each followed by its level in a fixed number of bits.
 *
 * Source: R. F. Rice, "Some practical universal noiseless coding techniques", JPL 79-22, 1979.
 *
 * @param values positions and levels
 * @param bits bits a level
 * @returns the Rice parameter and the packed bits
 */
export function encodeSparse(values: SparseValues, bits: number): { rice: number; body: Uint8Array } {
  const rice = bestRice(values.positions);
  const writer = new BitWriter();
  let previous = -1;
  values.positions.forEach((position, i) => {
    const gap = position - previous - 1;
    previous = position;
    for (let q = Math.floor(gap / 2 ** rice); q > 0; q--) writer.write(1, 1);
    writer.write(0, 1);
    writer.write(gap % 2 ** rice, rice);
    const level = values.levels[i] as number;
    writer.write((level < 0 ? 1 << (bits - 1) : 0) | (Math.abs(level) - 1), bits);
  });
  return { rice, body: writer.finish() };
}

/** @returns the number of bytes that `encodeSparse` would pack the values into */
export function sparseBytes(positions: Uint32Array, bits: number): number {
  return Math.ceil((riceBits(positions, bestRice(positions)) + bits * positions.length) / 8);
}

function bestRice(positions: Uint32Array): number {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let rice = 0; rice <= MAX_RICE; rice++) {
    const total = riceBits(positions, rice);
    if (total < least) [best, least] = [rice, total];
  }
  return best;
}

function riceBits(positions: Uint32Array, rice: number): number {
  let total = (1 + rice) * positions.length;
  let previous = -1;
  for (const position of positions) {
    total += Math.floor((position - previous - 1) / 2 ** rice);
    previous = position;
  }
  return total;
}

/** What the fixed fields and the tensor say of a sparse body. */
export interface SparseBounds {
  readonly count: number;
  readonly bits: number;
  readonly rice: number;
  /** Elements of the tensor. */
  readonly elements: number;
}

/**
 * Decodes what `encodeSparse` wrote.
 *
 * @param body the packed bits
 * @param bounds what they must keep to
 * @returns positions in range and strictly ascending, levels not zero
 * @throws NeuralDiffError `corrupt-payload`
 */
export function decodeSparse(body: Uint8Array, bounds: SparseBounds): SparseValues {
  const { count, bits, rice } = bounds;
  if (rice > MAX_RICE) throw corrupt(`expected a Rice parameter up to ${MAX_RICE}, got ${rice}`);
  const leastBits = count * (1 + rice + bits);
  if (leastBits > 8 * body.length)
    throw corrupt(`${count} changed weights do not fit into ${body.length} bytes`);
  return readSparse(padded(body), body.length, bounds);
}

/** Bytes that are looked at behind the last one: a code of up to 33 bits begins before it is seen to be cut off. */
const PADDING = 16;

function padded(body: Uint8Array): DataView {
  const bytes = new Uint8Array(body.length + PADDING);
  bytes.set(body);
  return new DataView(bytes.buffer);
}

/** Looks at 32 bits at a time, from the bit `shift` of the byte `at` on: mostly a whole gap and its level. */
function readSparse(view: DataView, byteLength: number, bounds: SparseBounds): SparseValues {
  const { count, bits, rice, elements } = bounds;
  const positions = new Uint32Array(count);
  const levels = new Int16Array(count);
  const width = rice + bits;
  let [at, shift, position] = [0, 0, -1];
  for (let i = 0; i < count; i++) {
    let window = look(view, at, shift);
    let ones = Math.clz32(~window);
    let gap = ones << rice;
    if (ones + width < 32) {
      window <<= ones + 1;
      shift += ones + 1;
    } else {
      let beyond = 0;
      for (; ones === 32; ones = Math.clz32(~look(view, at, shift))) {
        beyond += 32;
        at += 4;
      }
      gap = (beyond + ones) * 2 ** rice;
      shift += ones + 1;
      at += shift >>> 3;
      shift &= 7;
      window = look(view, at, shift);
    }
    const code = window >>> (32 - width);
    shift += width;
    at += shift >>> 3;
    shift &= 7;
    if (at >= byteLength && at + shift > byteLength) throw corrupt('an op ends in the middle of a value');
    position += 1 + gap + (code >>> bits);
    if (position >= elements)
      throw corrupt(`a position of ${position} is outside a tensor of ${elements} elements`);
    positions[i] = position;
    const sign = (code << (32 - bits)) >> 31;
    levels[i] = (((code & ((1 << (bits - 1)) - 1)) + 1) ^ sign) - sign;
  }
  const isFilled = shift > 0 && (view.getUint8(at) << shift) & 0xff;
  if (at + (shift > 0 ? 1 : 0) < byteLength || isFilled) throw corrupt('an op has bytes left over');
  return { positions, levels };
}

/** @returns the 32 bits from a bit on, the first of them highest */
function look(view: DataView, at: number, shift: number): number {
  return (view.getUint32(at) << shift) | (view.getUint8(at + 4) >>> (8 - shift));
}
