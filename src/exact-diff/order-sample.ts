import { DTYPES, elementCount, type TensorInfo, type WeightStore } from '../model/index.js';
import { orderedBits, orderOf } from '../payload/index.js';
import { readAs, type TensorPair } from './cast.js';

/** Elements of all tensors of a model that are kept, and what that leaves of one. */
const MODEL_ELEMENTS = 2 ** 21;
const LEAST_ELEMENTS = 64;
const MOST_ELEMENTS = 4_096;

/** Runs of elements that a sample consists of, from the first to the last one. */
const RUNS = 16;

/** @returns how many elements of a tensor are looked at when those of so many are kept */
export function sampleElements(info: TensorInfo, tensors: number): number {
  const affordable = Math.floor(MODEL_ELEMENTS / tensors);
  const most = Math.min(MOST_ELEMENTS, Math.max(LEAST_ELEMENTS, affordable));
  const elements = elementCount(info);
  return elements <= most ? elements : RUNS * Math.floor(most / RUNS);
}

/** Reads some elements of a tensor, as the base's dtype, as numbers in the order of their values. */
export async function readOrders(
  store: WeightStore,
  pair: TensorPair,
  count: number,
): Promise<{ orders: Int32Array; bits: number }> {
  const size = DTYPES[pair.base.dtype].bytes;
  const elements = elementCount(pair.base);
  const runs = count === elements ? 1 : RUNS;
  const length = count / runs;
  const bytes = new Uint8Array(count * size);
  for (let run = 0; run < runs; run++) {
    const first = runs === 1 ? 0 : Math.floor(((elements - length) * run) / (runs - 1));
    const target = bytes.subarray(run * length * size, (run + 1) * length * size);
    await readAs(store, pair, { byteOffset: first * size, target });
  }
  const ordered = orderedBits(pair.base, bytes);
  return { orders: Int32Array.from({ length: count }, (_, i) => orderOf(ordered, i)), bits: 8 * size };
}
