/**
 * Counts of the ones and zeros that were seen in each of some situations: what an adaptive coder predicts the next
 * decision from.
 *
 * A count is kept as `2 n + 1`, so that `ones / (ones + zeros)` is the estimate of R. Krichevsky and V. Trofimov, "The
 * performance of universal encoding", 1981.
 */
export class Contexts {
  /** Ones at even indexes, zeros behind them. */
  readonly counts: Uint16Array;
  /** Both counts are halved when their sum exceeds it. */
  readonly limit: number;

  /**
   * @param size number of situations
   * @param limit from 4 to `SLOW`; low ones follow data that change, high ones learn steady data to the last bit
   */
  constructor(size: number, limit: number) {
    this.counts = new Uint16Array(2 * size).fill(1);
    this.limit = limit;
  }

  /** Counts a decision. */
  update(index: number, bit: number): void {
    const { counts } = this;
    const at = 2 * index;
    const seen = at + 1 - bit;
    counts[seen] = (counts[seen] as number) + 2;
    if ((counts[at] as number) + (counts[at + 1] as number) <= this.limit) return;
    counts[at] = ((counts[at] as number) >>> 1) | 1;
    counts[at + 1] = ((counts[at + 1] as number) >>> 1) | 1;
  }
}

/** Limit for data that are alike from start to end. */
export const SLOW = 2 ** 14;

/** Limit for data that differ from tensor to tensor and from row to row. */
export const FAST = 2 ** 10;
