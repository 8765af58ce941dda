import type { TensorInfo } from '../model/index.js';
import { bitsOfSet, type ChosenHead, chooseHead } from '../payload/encode.js';
import type { Sampler } from './sample.js';

/** A tensor that differs, and how that is coded: by differences, or by the elements as they are to be. */
export interface CodedTensor {
  readonly kind: 'exact' | 'set';
  readonly info: TensorInfo;
  readonly head: ChosenHead['head'];
}

/** Codes samples of a tensor in all ways: the shortest is taken, differences where others are no shorter. */
export async function chooseCoding(
  sampler: Sampler,
  { info, count }: { info: TensorInfo; count: number },
): Promise<CodedTensor> {
  const samples = await sampler.borrow(info);
  const { head, bits } = chooseHead(info, { kind: 'exact', scale: 1, count, samples });
  return { kind: bits <= bitsOfSet(samples) ? 'exact' : 'set', info, head };
}
