import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { listFolder, removeFrom } from '../src/node/output.js';
import { FarmStore } from '../src/recipe/farm/store.js';
import type { MeasuredTimes } from '../src/recipe/tune/network/times.js';
import { WorkDocument } from './work-document.js';

/** Name of the document with the times that were measured. */
const TIMES_FILE = 'times.json';

/** Names of folders with networks. */
const NETWORKS = /^networks-[0-9a-f]{16}$/;

/** Work folder of a search for a network: what it has measured, and what it has trained. */
export class NetworkFolder {
  readonly #path: string;
  /** Folder in it, with trained networks and states of those that have begun. */
  readonly #networks: string;
  readonly #document: WorkDocument<{ readonly times: MeasuredTimes }>;

  /** @param settings what the search depends on */
  constructor(path: string, settings: unknown) {
    this.#path = path;
    const digest = createHash('sha256').update(JSON.stringify(settings)).digest('hex');
    this.#networks = join(path, `networks-${digest.slice(0, 16)}`);
    this.#document = new WorkDocument(path, {
      ...{ name: TIMES_FILE, format: 'neural-diff tune network', settings },
      isWhole: ({ times }) => Array.isArray(times?.layers) && typeof times.referenceMs === 'number',
    });
  }

  /** @returns the times of an earlier search. @throws as `WorkDocument.open` */
  async open(flags: { force: boolean; resume: boolean }): Promise<MeasuredTimes | undefined> {
    const found = await this.#document.open(flags);
    if (found === undefined) await this.#removeNetworks();
    return found?.times;
  }

  keepTimes(times: MeasuredTimes): Promise<void> {
    return this.#document.write({ times });
  }

  /** @returns the store for the networks of this search */
  store(): Promise<FarmStore> {
    return FarmStore.open({ url: this.#networks });
  }

  /** Removes all of it, and the folder unless it holds something else. */
  async remove(): Promise<void> {
    await this.#removeNetworks();
    await removeFrom(this.#path, [TIMES_FILE]);
  }

  /** Removes those of searches with other settings, too. */
  async #removeNetworks(): Promise<void> {
    const names = [...(await listFolder(this.#path))].filter((name) => NETWORKS.test(name));
    for (const name of names) await rm(join(this.#path, name), { recursive: true, force: true });
  }
}
