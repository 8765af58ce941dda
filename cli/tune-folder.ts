import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { removeFrom, writeInto } from '../src/node/output.js';
import { readPayload } from '../src/node/read-payload.js';
import type { KnownTask } from '../src/recipe/tune/forecast.js';
import type { PlannedTrial } from '../src/recipe/tune/goal.js';
import { keyOf } from '../src/recipe/tune/space.js';
import type { PayloadTrial } from '../src/recipe/tune/tune-payload.js';
import { WorkDocument } from './work-document.js';

/** Name of the document next to the payloads. */
const TRIALS_FILE = 'trials.json';

/** A trial that made a payload; failed ones are tried again. */
type KeptTrial = Omit<PayloadTrial, 'error' | 'expected'> & { readonly file: string };

/** What is written of a search. */
interface KeptSearch {
  readonly trials: readonly KeptTrial[];
  /** What it knew of earlier searches when it began. */
  readonly known: readonly KnownTask[];
}

/** Work folder of a search: payloads of its trials, and the document that lists them. */
export class TuneFolder {
  readonly #path: string;
  readonly #document: WorkDocument<KeptSearch>;
  readonly #trials = new Map<string, KeptTrial>();
  #known: readonly KnownTask[] = [];

  /** @param settings what trials depend on */
  constructor(path: string, settings: unknown) {
    this.#path = path;
    this.#document = new WorkDocument(path, {
      ...{ name: TRIALS_FILE, format: 'neural-diff tune', settings },
      isWhole: ({ trials, known }) => Array.isArray(trials) && Array.isArray(known),
    });
  }

  /**
   * Finds the trials of an earlier search.
   *
   * @param known trials of other tasks, for a search that begins
   * @throws as `WorkDocument.open`
   */
  async open(
    flags: { readonly force: boolean; readonly resume: boolean },
    known: readonly KnownTask[],
  ): Promise<void> {
    const found = await this.#document.open(flags);
    this.#known = found?.known ?? known;
    for (const trial of found?.trials ?? [])
      if (found?.names.has(trial.file)) this.#trials.set(trial.file, trial);
  }

  /** Trials of other tasks. A search that goes on knows what it knew: others may have learnt meanwhile. */
  get known(): readonly KnownTask[] {
    return this.#known;
  }

  /** @returns a trial of this or an earlier search */
  find(planned: PlannedTrial): PayloadTrial | undefined {
    const kept = this.#trials.get(fileOf(planned));
    if (kept === undefined) return undefined;
    const { file: _file, ...trial } = kept;
    return { ...trial, expected: undefined };
  }

  /** @returns the path of a trial's payload, once it is written */
  pathOf(planned: PlannedTrial): string {
    return join(this.#path, fileOf(planned));
  }

  /** @returns the payload of a trial that is kept */
  payload(planned: PlannedTrial): Promise<Uint8Array> {
    return readPayload(this.pathOf(planned));
  }

  /** Writes the payload of a trial. @returns its path */
  async write(planned: PlannedTrial, payload: Uint8Array): Promise<string> {
    await writeInto(this.#path, fileOf(planned), payload);
    return this.pathOf(planned);
  }

  /** Lists a trial whose payload is written. */
  async keep({ error: _error, expected: _expected, ...trial }: PayloadTrial): Promise<void> {
    const file = fileOf(trial);
    this.#trials.set(file, { ...trial, file });
    await this.#document.write({ trials: [...this.#trials.values()], known: this.#known });
  }

  /** Removes what is listed and the list, and the folder unless it holds something else. */
  async remove(): Promise<void> {
    await removeFrom(this.#path, [...this.#trials.keys(), TRIALS_FILE]);
  }
}

/** @returns the name of a trial's payload file */
function fileOf({ configuration, fidelity }: PlannedTrial): string {
  const digest = createHash('sha256')
    .update(`${keyOf(configuration)} ${fidelity}`)
    .digest('hex');
  return `trial-${digest.slice(0, 16)}.ndiff`;
}
