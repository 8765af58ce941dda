import type { DType, TensorInfo, WeightStore } from 'neural-diff';
import type { ModelFacts, Tell, TensorRow } from './jobs.js';

/** Elements that are compared at once. */
const ELEMENTS = 2 ** 18;

/** Bytes of an element. */
const BYTES: Readonly<Record<DType, number>> = {
  ...{ float32: 4, int32: 4, uint32: 4, int64: 8, uint64: 8, float64: 8 },
  ...{ float16: 2, bfloat16: 2, int16: 2, uint16: 2, int8: 1, uint8: 1, float8_e4m3fn: 1, float8_e5m2: 1 },
};

const countOf = ({ shape }: TensorInfo): number => shape.reduce((a, b) => a * b, 1);
const bytesOf = (info: TensorInfo): number => countOf(info) * BYTES[info.dtype];

export function factsOf({ tensors }: WeightStore, fingerprint: string): ModelFacts {
  return {
    fingerprint,
    tensors: tensors.length,
    weights: tensors.reduce((sum, info) => sum + countOf(info), 0),
    bytes: tensors.reduce((sum, info) => sum + bytesOf(info), 0),
  };
}

/** Compares the tensors that two models have in common, element by element. */
export async function compareTensors(base: WeightStore, next: WeightStore, tell: Tell): Promise<TensorRow[]> {
  const known = new Map(base.tensors.map((info) => [info.name, info]));
  const both = next.tensors.filter((info) => isAlike(info, known.get(info.name)));
  const total = both.reduce((sum, info) => sum + bytesOf(info), 0);
  const rows: TensorRow[] = [];
  let done = 0;
  for (const info of both) {
    const onBytes = (bytes: number): void => {
      done += bytes;
      tell.progress({ phase: 'tensors', done, total });
    };
    const { name, dtype, shape } = info;
    rows.push({
      name,
      dtype,
      shape,
      weights: countOf(info),
      ...(await compareTensor({ base, next }, info, onBytes)),
    });
  }
  return rows;
}

function isAlike(a: TensorInfo, b: TensorInfo | undefined): boolean {
  return a.dtype === b?.dtype && a.shape.join() === b.shape.join();
}

async function compareTensor(
  { base, next }: { base: WeightStore; next: WeightStore },
  info: TensorInfo,
  onBytes: (bytes: number) => void,
): Promise<Pick<TensorRow, 'changed' | 'largest'>> {
  const size = BYTES[info.dtype];
  const decode = DECODERS[info.dtype];
  let changed = 0;
  let largest = 0;
  for (let at = 0; at < countOf(info); at += ELEMENTS) {
    const length = Math.min(ELEMENTS, countOf(info) - at) * size;
    const [a, b] = [new Uint8Array(length), new Uint8Array(length)];
    await base.readInto(info.name, at * size, a);
    await next.readInto(info.name, at * size, b);
    const [before, after] = [decode?.(a), decode?.(b)];
    for (let i = 0; i < length; i += size) {
      let isSame = true;
      for (let k = i; k < i + size; k++) if (a[k] !== b[k]) isSame = false;
      if (isSame) continue;
      changed++;
      const change =
        before && after ? Math.abs((after[i / size] as number) - (before[i / size] as number)) : 0;
      if (change > largest) largest = change;
    }
    onBytes(length);
  }
  return { changed, largest: decode && largest };
}

/** How elements become numbers, for the types whose changes are easily read. */
const DECODERS: Readonly<Partial<Record<DType, (bytes: Uint8Array) => ArrayLike<number>>>> = {
  float32: ({ buffer }) => new Float32Array(buffer),
  float64: ({ buffer }) => new Float64Array(buffer),
  int32: ({ buffer }) => new Int32Array(buffer),
  int16: ({ buffer }) => new Int16Array(buffer),
  uint16: ({ buffer }) => new Uint16Array(buffer),
  int8: ({ buffer }) => new Int8Array(buffer),
  uint8: (bytes) => bytes,
  bfloat16: ({ buffer }) =>
    new Float32Array(Uint32Array.from(new Uint16Array(buffer), (bits) => bits << 16).buffer),
  float16: ({ buffer }) => Float32Array.from(new Uint16Array(buffer), halfOf),
};

/** @returns the value of an IEEE 754 half-precision number */
function halfOf(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits >> 15 ? -1 : 1;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}
