import { type BitCoder, Contexts, FAST } from '../coding.js';
import { corrupt } from '../limits.js';
import { INVALID, TOKENS, type TokenTable } from './tokens.js';

/** Frequencies of a context add up to 2 to this. */
export const TOTAL_BITS = 12;
export const TOTAL = 2 ** TOTAL_BITS;

/** Bits of the largest weight. */
const MAX_SIZE = TOTAL_BITS + 1;

/** Contexts of a weight's size: how large the weight next to it is, and the bits of the size so far. */
const NEIGHBOURS = MAX_SIZE + 1;
const NODES = 16;

/**
 * Codes the weights of tokens, from which their frequencies follow: the size in bits of each, predicted from
 * a neighbour, and a few bits below the highest one.
 */
export class WeightCoding {
  readonly #coder: BitCoder;
  readonly #sizes = new Contexts(NEIGHBOURS * NODES, FAST);
  readonly #tokens: TokenTable;
  readonly #precision: number;
  /** Sizes of the context before; none at first. */
  #before: Uint8Array | undefined;

  /** @param precision bits of a weight that are kept below its highest one, 0 to 3 */
  constructor(coder: BitCoder, tokens: TokenTable, precision: number) {
    this.#coder = coder;
    this.#tokens = tokens;
    this.#precision = precision;
  }

  /**
   * Codes the weights of one context.
   *
   * @param count tokens from this one on have no weight
   * @param weights for an encoder: a weight for each token, 0 to `TOTAL`; cut to the precision
   * @returns the weights that a decoder has
   * @throws NeuralDiffError `corrupt-payload` when no token has a weight
   */
  code(count: number, weights?: Uint16Array): Uint16Array {
    const coded = new Uint16Array(TOKENS);
    const sizes = new Uint8Array(TOKENS);
    for (let token = 0; token < count; token++) {
      if (this.#tokens.bits[token] === INVALID) continue;
      const neighbour = this.#before ? this.#before[token] : token < 4 ? 0 : sizes[token - 4];
      const weight = weights?.[token] ?? 0;
      const size = this.#codeSize(neighbour as number, 32 - Math.clz32(weight));
      sizes[token] = size;
      coded[token] = size === 0 ? 0 : this.#codeBelow(size, weight);
    }
    if (!coded.some((weight) => weight > 0)) throw corrupt('a context without tokens');
    this.#before = sizes;
    return coded;
  }

  #codeSize(neighbour: number, size: number): number {
    let node = 1;
    for (let left = 3; left >= 0; left--)
      node = 2 * node + this.#coder.bit(this.#sizes, neighbour * NODES + node, (size >> left) & 1);
    const coded = node - NODES;
    if (coded > MAX_SIZE) throw corrupt('a weight of a token is out of range');
    return coded;
  }

  #codeBelow(size: number, weight: number): number {
    const kept = Math.min(this.#precision, size - 1);
    const dropped = size - 1 - kept;
    const bits = this.#coder.raw(kept, (weight >> dropped) & (2 ** kept - 1));
    return (2 ** kept + bits) * 2 ** dropped;
  }
}

/**
 * Turns weights into frequencies that add up to `TOTAL`: each its share, at least 1, and what is left over or
 * missing goes to the first of the largest.
 *
 * @throws NeuralDiffError `corrupt-payload` when there are more tokens than `TOTAL` allows
 */
export function frequenciesOf(weights: Uint16Array): Uint16Array {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const frequencies = new Uint16Array(TOKENS);
  let [rest, largest] = [TOTAL, 0];
  for (let token = 0; token < TOKENS; token++) {
    const weight = weights[token] as number;
    if (weight === 0) continue;
    const share = Math.max(1, Math.floor((weight * TOTAL) / sum));
    frequencies[token] = share;
    rest -= share;
    if (share > (frequencies[largest] as number) || frequencies[largest] === 0) largest = token;
  }
  const most = (frequencies[largest] as number) + rest;
  if (most < 1) throw corrupt('too many tokens in a context');
  frequencies[largest] = most;
  return frequencies;
}
