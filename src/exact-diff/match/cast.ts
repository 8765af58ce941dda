import { HALVES } from '../../model/float16.js';
import { checkRange, type WeightStore } from '../../model/store.js';
import { DTYPES, type DType, type TensorInfo } from '../../model/tensor.js';
import type { WorkOptions } from '../compare-stores.js';

/** A tensor of the base and the tensor of the next model that it is matched with. */
export interface TensorMatch {
  readonly base: TensorInfo;
  readonly next: TensorInfo;
}

/** Elements aligned to their size within their buffer. */
interface Typed {
  readonly dtype: DType;
  readonly bytes: Uint8Array;
}

/** Elements cast at a time. */
const PIECE_ELEMENTS = 2 ** 16;

/** @returns whether one dtype can be cast to another: float32 to float16 or bfloat16, and back */
export function canCast(from: DType, to: DType): boolean {
  return from === to || (from === 'float32' && isHalf(to)) || (isHalf(from) && to === 'float32');
}

/**
 * Reads a range of the base's tensor from the matched tensor, cast to the base's dtype.
 *
 * @param range in bytes of the base's tensor; it may start and end within an element
 */
export function readAs(
  store: WeightStore,
  { base, next }: TensorMatch,
  range: { byteOffset: number; target: Uint8Array },
): Promise<void> {
  const { byteOffset, target } = range;
  const isSame = next.dtype === base.dtype;
  return isSame ? store.readInto(next.name, byteOffset, target) : readCast(store, { base, next }, range);
}

async function readCast(
  store: WeightStore,
  { base, next }: TensorMatch,
  { byteOffset, target }: { byteOffset: number; target: Uint8Array },
): Promise<void> {
  const size = DTYPES[base.dtype].bytes;
  const run = { start: Math.floor(byteOffset / size), end: Math.ceil((byteOffset + target.length) / size) };
  const cast = new Uint8Array(size * Math.min(PIECE_ELEMENTS, run.end - run.start));
  for await (const { start, source } of borrowPieces(store, next, run)) {
    const bytes = cast.subarray(0, (source.length / DTYPES[next.dtype].bytes) * size);
    castElements({ dtype: next.dtype, bytes: source }, { dtype: base.dtype, bytes });
    const at = start * size - byteOffset;
    target.set(bytes.subarray(Math.max(0, -at), target.length - at), Math.max(0, at));
  }
}

/** @returns how many elements a cast changes: casting them back results in other bits */
export async function countRounded(
  store: WeightStore,
  { base, next }: TensorMatch,
  options: WorkOptions,
): Promise<number> {
  const [from, to] = [DTYPES[next.dtype].bytes, DTYPES[base.dtype].bytes];
  const run = { start: 0, end: next.shape.reduce((product, size) => product * size, 1) };
  let count = 0;
  for await (const { source } of borrowPieces(store, next, run)) {
    options.signal?.throwIfAborted();
    const cast = { dtype: base.dtype, bytes: new Uint8Array((source.length / from) * to) };
    castElements({ dtype: next.dtype, bytes: source }, cast);
    const back = new Uint8Array(source.length);
    castElements(cast, { dtype: next.dtype, bytes: back });
    for (let i = 0; i < source.length; i += from) if (!isSame(source, back, [i, i + from])) count++;
    options.onBytes(source.length);
  }
  return count;
}

function isSame(a: Uint8Array, b: Uint8Array, [start, end]: readonly [number, number]): boolean {
  for (let i = start; i < end; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Reads a run of elements in pieces; each piece is valid until the next. */
async function* borrowPieces(
  store: WeightStore,
  { name, dtype }: TensorInfo,
  run: { start: number; end: number },
): AsyncGenerator<{ start: number; source: Uint8Array }> {
  const size = DTYPES[dtype].bytes;
  const buffer = new Uint8Array(size * Math.min(PIECE_ELEMENTS, run.end - run.start));
  for (let { start } = run; start < run.end; start += PIECE_ELEMENTS) {
    const source = buffer.subarray(0, size * Math.min(PIECE_ELEMENTS, run.end - start));
    await store.readInto(name, start * size, source);
    yield { start, source };
  }
}

/** Casts all elements of the source; narrowing rounds to nearest even. */
function castElements(source: Typed, target: Typed): void {
  if (isHalf(target.dtype)) narrowElements(source.bytes, target.bytes, HALVES[target.dtype].narrow);
  else if (isHalf(source.dtype)) widenElements(source.bytes, target.bytes, HALVES[source.dtype].widen);
}

function narrowElements(source: Uint8Array, target: Uint8Array, narrow: (value: number) => number): void {
  const values = new Float32Array(source.buffer, source.byteOffset, source.length / 4);
  const halves = new Uint16Array(target.buffer, target.byteOffset, values.length);
  for (let i = 0; i < values.length; i++) halves[i] = narrow(values[i] as number);
}

/**
 * JavaScript engines may change the payload of a NaN, so its bits are written explicitly, as in `patchRange`.
 */
function widenElements(source: Uint8Array, target: Uint8Array, widen: (bits: number) => number): void {
  const halves = new Uint16Array(source.buffer, source.byteOffset, source.length / 2);
  const values = new Float32Array(target.buffer, target.byteOffset, halves.length);
  const bits = new Uint32Array(target.buffer, target.byteOffset, halves.length);
  for (let i = 0; i < halves.length; i++) {
    const value = widen(halves[i] as number);
    if (Number.isNaN(value)) bits[i] = 0x7fc00000;
    else values[i] = value;
  }
}

function isHalf(dtype: DType): dtype is keyof typeof HALVES {
  return Object.hasOwn(HALVES, dtype);
}

/**
 * Opens a read-only view of the next model under the base's names and in the base's dtypes.
 *
 * @param next the next model; the caller closes it
 * @param pairs every tensor of the base, in its order, with its match in the next model
 */
export function openView(next: WeightStore, pairs: readonly TensorMatch[]): WeightStore {
  const infos = new Map(pairs.map(({ base }) => [base.name, base]));
  const byName = new Map(pairs.map((pair) => [pair.base.name, pair]));
  return {
    tensors: pairs.map(({ base }) => base),
    readOnly: new Set(infos.keys()),
    async readInto(name, byteOffset, target) {
      checkRange(infos, { name, byteOffset, length: target.length });
      await readAs(next, byName.get(name) as TensorMatch, { byteOffset, target });
    },
    async write(name) {
      throw new TypeError(`Cannot write tensor "${name}": it is a read-only view of another model's tensor`);
    },
    async flush() {},
    async close() {},
  };
}
