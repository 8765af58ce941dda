import { concatBytes } from '../../src/model/bytes.js';
import { byteLength, type Tensor, wordBytes } from '../../src/model/tensor.js';
import { addOrdered, orderedBits, ordinalOf, wrapDifference } from '../../src/payload/ordered-bits.js';

/** What a delta leads to: tensors, and all bytes of the files that are in none. */
export interface Contents {
  readonly tensors: readonly Tensor[];
  readonly rest: Uint8Array;
}

/** What is told of a tensor: the index of the one it is coded against, or its size if there is none. */
type Source = number | { readonly bytes: number };

/** The delta's first part, as JSON; without `sources` each tensor has the index of its own. */
interface Header {
  readonly sources?: readonly Source[];
  /** Bytes of the rest; without, it is the base's. */
  readonly rest?: number;
  readonly isSplit?: true;
}

/**
 * Subtracts models as whole numbers in the order of their values, for a general compressor. Tensors without a
 * counterpart and the rest of the files are kept as they are.
 *
 * @param isSplit whether the differences of a tensor are split into planes of bytes of equal weight
 * @returns a header and all bytes, nothing of it compressed
 */
export function encodeDelta(base: Contents, next: Contents, { isSplit }: { isSplit: boolean }): Uint8Array {
  const sources = matchTensors(base.tensors, next.tensors);
  const isSame = sources.length === base.tensors.length && sources.every((source, i) => source === i);
  const isSameRest = Buffer.compare(base.rest, next.rest) === 0;
  const header: Header = {
    ...(!isSame && { sources }),
    ...(!isSameRest && { rest: next.rest.length }),
    ...(isSplit && { isSplit }),
  };
  const parts = next.tensors.map((tensor, i) => {
    const source = sources[i];
    if (typeof source !== 'number') return tensor.bytes;
    const differences = subtract(base.tensors[source] as Tensor, tensor);
    return isSplit ? split(differences, wordBytes(tensor)) : differences;
  });
  const text = new TextEncoder().encode(JSON.stringify(header));
  const length = new Uint8Array(Uint32Array.of(text.length).buffer);
  return concatBytes([length, text, ...parts, ...(isSameRest ? [] : [next.rest])]);
}

/** @returns the bytes of the next model's tensors, one behind the other, and the rest */
export function decodeDelta(base: Contents, delta: Uint8Array): Uint8Array {
  const start = 4 + new DataView(delta.buffer, delta.byteOffset).getUint32(0, true);
  const header: Header = JSON.parse(new TextDecoder().decode(delta.subarray(4, start)));
  const { sources = base.tensors.map((_, i) => i), rest, isSplit = false } = header;
  let at = start;
  const take = (length: number): Uint8Array => {
    at += length;
    return delta.subarray(at - length, at);
  };
  const parts = sources.map((source) => {
    if (typeof source !== 'number') return take(source.bytes);
    const tensor = base.tensors[source] as Tensor;
    const coded = take(byteLength(tensor));
    return add(tensor, isSplit ? join(coded, wordBytes(tensor)) : coded);
  });
  return concatBytes([...parts, rest === undefined ? base.rest : take(rest)]);
}

/** Matches tensors of one name, dtype and shape; then the others of one dtype and shape in their order. */
function matchTensors(base: readonly Tensor[], next: readonly Tensor[]): Source[] {
  const free = new Set(base.keys());
  const fits = (left: Tensor, right: Tensor): boolean =>
    left.dtype === right.dtype && String(left.shape) === String(right.shape);
  const takeFirst = (tensor: Tensor, isNamed: boolean): number | undefined => {
    for (const index of free) {
      const other = base[index] as Tensor;
      if (!fits(tensor, other) || (isNamed && tensor.name !== other.name)) continue;
      free.delete(index);
      return index;
    }
    return undefined;
  };
  const named = next.map((tensor) => takeFirst(tensor, true));
  return next.map((tensor, i) => named[i] ?? takeFirst(tensor, false) ?? { bytes: tensor.bytes.length });
}

/** @returns the differences with their signs in the lowest bit, so that small ones have zeros above */
function subtract(base: Tensor, next: Tensor): Uint8Array {
  const from = orderedBits(base, new Uint8Array(base.bytes));
  const to = orderedBits(next, new Uint8Array(next.bytes));
  const size = 8 * wordBytes(next);
  const out = to.words.slice();
  for (let i = 0; i < out.length; i++) {
    const difference = wrapDifference(next, ordinalOf(to, i) - ordinalOf(from, i));
    out[i] = (difference << 1) ^ (difference >> (size - 1));
  }
  return new Uint8Array(out.buffer);
}

function add(base: Tensor, differences: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(base.bytes);
  const element = orderedBits(base, bytes);
  // A copy is aligned; `slice` of what Node.js reads from a file is none.
  const { words } = orderedBits(base, new Uint8Array(differences));
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as number;
    addOrdered(element, i, (word >>> 1) ^ -(word & 1));
  }
  return bytes;
}

/** @returns all first bytes of words, then all second ones, and so on */
function split(bytes: Uint8Array, size: number): Uint8Array {
  const count = bytes.length / size;
  return bytes.map((_, i) => bytes[(i % count) * size + Math.floor(i / count)] as number);
}

function join(planes: Uint8Array, size: number): Uint8Array {
  const count = planes.length / size;
  return planes.map((_, i) => planes[(i % size) * count + Math.floor(i / size)] as number);
}
