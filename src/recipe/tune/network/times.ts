import { type Configuration, keyOf } from '../space.js';
import type { Prediction } from './time-models.js';

/** All that a search has measured of times, as plain data: a search that goes on measures nothing twice. */
export interface MeasuredTimes {
  /** By the key of the layer. */
  readonly layers: readonly { readonly layer: string; readonly key: string; readonly milliseconds: number }[];
  /** What whole networks take in relation to the sums over their layers. */
  readonly scale: number;
  readonly referenceMs: number;
  readonly prediction: Prediction;
  /** Of networks that were measured as a whole, by configuration: of the time of the reference. */
  readonly shares: Readonly<Record<string, number>>;
}

/** Where the times of layers are. */
interface LayerTimes {
  readonly rows: MeasuredTimes['layers'];
}

/** The times of a search, kept whenever some are added. */
export class SearchTimes {
  #times: Omit<MeasuredTimes, 'layers'>;
  readonly #table: LayerTimes;
  readonly #write: (times: MeasuredTimes) => Promise<void>;

  constructor(
    times: Omit<MeasuredTimes, 'layers'>,
    { table, write }: { table: LayerTimes; write: (times: MeasuredTimes) => Promise<void> },
  ) {
    this.#times = times;
    this.#table = table;
    this.#write = write;
  }

  /** Keeps all that is measured by now. */
  keep(): Promise<void> {
    return this.#write({ ...this.#times, layers: this.#table.rows });
  }

  /** What the reference takes, in milliseconds. */
  get referenceMs(): number {
    return this.#times.referenceMs;
  }

  get prediction(): Prediction {
    return this.#times.prediction;
  }

  /** @returns the share of the reference's time that a network takes, measured if it is not known */
  async shareOf(configuration: Configuration, measure: () => Promise<number>): Promise<number> {
    const key = keyOf(configuration);
    const known = this.#times.shares[key];
    if (known !== undefined) return known;
    const share = await measure();
    this.#times = { ...this.#times, shares: { ...this.#times.shares, [key]: share } };
    await this.keep();
    return share;
  }
}
