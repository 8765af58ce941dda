import { randomId } from '../../model/bytes.js';
import { NeuralDiffError } from '../../model/errors.js';
import { resultOf, type Stores } from './indexeddb-transactions.js';

/** Milliseconds that a lease outlives its holder, and between its renewals. */
const [LEASE_MS, RENEW_MS] = [5_000, 1_000];

/** A lease as it is stored, among the sizes of files, whose keys are numbers. */
interface Lease {
  readonly holder: string;
  /** By the clock of the machine, in milliseconds. */
  readonly expires: number;
}

type Mutate = <T>(operation: (stores: Stores) => Promise<T>) => Promise<T>;

/**
 * Locks of a database for pages without Web Locks, as those from `http:`: leases that are renewed while they
 * are held. A page that is closed, or sleeps for longer, loses them to the next one that asks. `check` then
 * refuses its writes, so that two holders never write.
 */
export class Leases {
  readonly #mutate: Mutate;
  readonly #holder = randomId();
  readonly #held = new Set<string>();

  /** @param mutate runs an operation in a transaction that writes */
  constructor(mutate: Mutate) {
    this.#mutate = mutate;
  }

  /** Runs an operation under a lease. @throws NeuralDiffError `locked` if another page has it */
  async hold<T>(name: string, run: () => Promise<T>): Promise<T> {
    const key = `lease ${name}`;
    await this.#mutate(async (stores) => {
      const found = await leaseIn(stores, key);
      if (this.#held.has(key) || (found && found.holder !== this.#holder && found.expires > Date.now()))
        throw new NeuralDiffError('locked', `Cannot lock "${name}": another tab or worker holds it`);
      await this.#renew(stores, key);
    });
    this.#held.add(key);
    // A renewal that fails ends in a refused write, which says more.
    const timer = setInterval(() => void this.#mutate(async () => {}).catch(() => undefined), RENEW_MS);
    try {
      return await run();
    } finally {
      clearInterval(timer);
      this.#held.delete(key);
      await this.#mutate((stores) => this.#release(stores, key)).catch(() => undefined);
    }
  }

  /**
   * Checks and renews the leases of this page within a transaction.
   *
   * @throws NeuralDiffError `locked` if another page has taken one
   */
  async check(stores: Stores): Promise<void> {
    for (const key of this.#held) {
      if ((await leaseIn(stores, key))?.holder !== this.#holder)
        throw new NeuralDiffError('locked', `Cannot write: another tab or worker has taken the ${key}`);
      await this.#renew(stores, key);
    }
  }

  async #renew({ files }: Stores, key: string): Promise<void> {
    const lease: Lease = { holder: this.#holder, expires: Date.now() + LEASE_MS };
    await resultOf(files.put(lease, key));
  }

  async #release(stores: Stores, key: string): Promise<void> {
    if ((await leaseIn(stores, key))?.holder === this.#holder) await resultOf(stores.files.delete(key));
  }
}

async function leaseIn({ files }: Stores, key: string): Promise<Lease | undefined> {
  return (await resultOf(files.get(key))) as Lease | undefined;
}
