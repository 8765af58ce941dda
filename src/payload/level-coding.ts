import { type BitCoder, codeNumber, NUMBER_CONTEXTS } from './bit-coder.js';
import type { Contexts } from './contexts.js';

/** Magnitudes below it are coded in unary. */
const UNARY = 15;

/** Contexts of a magnitude. */
export const MAGNITUDE_CONTEXTS = UNARY - 1 + NUMBER_CONTEXTS;

/**
 * A magnitude of at least 1: in unary, each decision with a context; from 15 on, what is above 15 as a number.
 *
 * @param contexts from `first` on, `MAGNITUDE_CONTEXTS` of them
 */
export function codeMagnitude(
  coder: BitCoder,
  { contexts, first }: { contexts: Contexts; first: number },
  magnitude: number,
): number {
  let reached = 1;
  while (reached < UNARY) {
    if (coder.bit(contexts, first + reached - 1, magnitude > reached ? 1 : 0) === 0) return reached;
    reached++;
  }
  return UNARY + codeNumber(coder, { contexts, first: first + UNARY - 1 }, Math.max(0, magnitude - UNARY));
}
