import { elementCount, type TensorInfo } from '../model/index.js';
import { type Values, valuesOf } from '../train/index.js';
import type { Positions } from './mask.js';

/** Weight of a tensor's density beside what was counted in one of its rows or columns. */
const PRIOR = 8;

/**
 * Divides saliencies by the bits that a change would take: a position is cheap where its row and its column change
 * often anyway, since that is what the coding predicts it from.
 *
 * @param saliency by tensor
 * @param positions a first choice, from which rows and columns are counted
 * @param tensors the tensors' shapes; rows are all dimensions but the last
 * @param levelBits bits that a change takes beside its position
 */
export function worthOf(
  saliency: Values,
  positions: Positions,
  { tensors, levelBits }: { tensors: readonly TensorInfo[]; levelBits: number },
): Values {
  return new Map(
    tensors.map((info) => {
      const places = positions.get(info.name) ?? new Uint32Array(0);
      return [info.name, perBit(valuesOf(saliency, info.name), { info, places, levelBits })];
    }),
  );
}

function perBit(
  saliency: Float32Array,
  { info, places, levelBits }: { info: TensorInfo; places: Uint32Array; levelBits: number },
): Float32Array {
  const columns = info.shape.at(-1) as number;
  const rows = elementCount(info) / columns;
  const density = Math.max(places.length, 0.5) / saliency.length;
  const inRows = new Float32Array(rows).fill(PRIOR * density);
  const inColumns = new Float32Array(columns).fill(PRIOR * density);
  for (const place of places) {
    inRows[Math.floor(place / columns)]! += 1;
    inColumns[place % columns]! += 1;
  }
  const worth = new Float32Array(saliency.length);
  const scale = 1 / ((columns + PRIOR) * (rows + PRIOR) * density);
  for (let i = 0; i < worth.length; i++) {
    const chance = (inRows[Math.floor(i / columns)] as number) * (inColumns[i % columns] as number) * scale;
    worth[i] = (saliency[i] as number) / (levelBits - Math.log2(Math.min(chance, 0.5)));
  }
  return worth;
}
