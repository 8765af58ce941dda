import { NeuralDiffError } from '../model/errors.js';
import { inOrder, joinDigests, type Sha256, sha256, TensorDigest } from '../model/fingerprint.js';
import { checkNotEmpty, type TensorInfo, wordsOf } from '../model/tensor.js';
import { Yielder } from '../model/yielder.js';
import { orderedBits } from '../payload/ordered-bits.js';
import type { ChangedTensor } from './coding-trial.js';
import { countChanged, PairReader, type StorePair } from './pairs.js';

/** The fingerprints of two models and the tensors that differ between them. */
interface Comparison {
  /** Fingerprints of both models, as hexadecimal strings. */
  readonly base: string;
  readonly next: string;
  /** Tensors that differ, as ops see them, in canonical order, with the number of changed elements. */
  readonly changed: readonly ChangedTensor[];
}

/** How to report progress and cancel long work. */
export interface WorkOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onBytes: (bytes: number) => void;
}

/** What is known of a tensor once it is compared. */
interface Compared {
  /** Digests of both tensors. */
  readonly base: Uint8Array;
  readonly next: Uint8Array;
  /** Number of elements that differ. */
  readonly count: number;
}

/**
 * Reads two models with the same tensors chunk by chunk and finds which tensors differ.
 *
 * @param infos the tensors, in the order in which they are read
 */
export async function compareStores(
  stores: StorePair,
  infos: readonly TensorInfo[],
  { sha256: hash = sha256, ...options }: WorkOptions & { readonly sha256?: Sha256 | undefined },
): Promise<Comparison> {
  const reader = new PairReader(stores);
  const found = new Map<string, Compared & { readonly info: TensorInfo }>();
  const yielder = new Yielder(options.signal);
  for (const info of infos) {
    const [base, next] = [new TensorDigest(info, hash), new TensorDigest(info, hash)];
    let count = 0;
    for (const pair of reader.walk(info, options.signal)) {
      const { before, after } = await pair;
      const hashed = Promise.all([base.add(before), next.add(after)]);
      count += countChanged(orderedBits(info, before).words, orderedBits(info, after).words);
      await hashed;
      options.onBytes(before.length);
      await yielder.tick();
    }
    found.set(info.name, { info, base: await base.finish(), next: await next.finish(), count });
  }
  const compared = inOrder(infos, found);
  const join = (side: 'base' | 'next') =>
    joinDigests(
      compared.map((each) => each[side]),
      hash,
    );
  const changed = compared.filter(({ count }) => count > 0);
  return {
    base: await join('base'),
    next: await join('next'),
    changed: changed.map(({ info, count }) => ({ info: wordsOf(info), count })),
  };
}

/**
 * Checks that two models have tensors of the same names, dtypes and shapes.
 *
 * @throws NeuralDiffError `wrong-layout` if they differ; `empty-model` if neither has any
 */
export function checkSameTensors(base: readonly TensorInfo[], next: readonly TensorInfo[]): void {
  const byName = new Map(next.map((info) => [info.name, info]));
  for (const info of base) {
    const found = byName.get(info.name);
    if (found === undefined) throw differs(`the base's tensor "${info.name}" is not in the next model`);
    if (describe(found) !== describe(info))
      throw differs(
        `tensor "${info.name}" is ${describe(info)} in the base, ${describe(found)} in the next model`,
      );
    byName.delete(info.name);
  }
  const [added] = byName.keys();
  if (added !== undefined) throw differs(`the next model's tensor "${added}" is not in the base`);
  checkNotEmpty(base);
}

/** Formats dtype and shape, such as `float32[3, 4]`. */
export function describe({ dtype, shape }: TensorInfo): string {
  return `${dtype}[${shape.join(', ')}]`;
}

/** @param advice what the user can do instead */
export function differs(what: string, advice = 'ship the full model'): NeuralDiffError {
  return new NeuralDiffError('wrong-layout', `Cannot diff models: ${what}; ${advice}`);
}
