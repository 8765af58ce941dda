import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { NeuralDiffError } from '../src/model/errors.js';
import { listFolder, removeFrom, writeInto } from '../src/node/output.js';
import { readPayload } from '../src/node/read-payload.js';
import { readWhole } from '../src/node/read-whole.js';
import type { PlannedTrial } from '../src/recipe/tune/goal.js';
import { keyOf } from '../src/recipe/tune/space.js';
import type { PayloadTrial } from '../src/recipe/tune/tune-payload.js';

/** Name of the document next to the payloads. */
const TRIALS_FILE = 'trials.json';

/** Largest document. */
const MAX_BYTES = 2 ** 26;

/** What `trials.json` holds. */
interface Document {
  readonly format: 'neural-diff tune';
  readonly version: 1;
  /** What trials depend on; a search goes on only with the same. */
  readonly settings: unknown;
  readonly trials: readonly KeptTrial[];
}

/** A trial that made a payload; failed ones are tried again. */
type KeptTrial = Omit<PayloadTrial, 'error' | 'expected'> & { readonly file: string };

/** Work folder of a search: payloads of its trials, and the document that lists them. */
export class TuneFolder {
  readonly #path: string;
  readonly #settings: unknown;
  readonly #trials = new Map<string, KeptTrial>();

  constructor(path: string, settings: unknown) {
    this.#path = path;
    this.#settings = JSON.parse(JSON.stringify(settings));
  }

  /**
   * Finds the trials of an earlier search.
   *
   * @throws NeuralDiffError `output-exists` when something would be replaced, unless forced
   */
  async open({ force, resume }: { force: boolean; resume: boolean }): Promise<void> {
    const names = await listFolder(this.#path);
    if (!names.has(TRIALS_FILE) || (force && !resume)) return;
    if (!resume) {
      const exists = 'it exists already; --resume keeps what has ended, --force trains it again';
      throw new NeuralDiffError(
        'output-exists',
        `Cannot write "${join(this.#path, TRIALS_FILE)}": ${exists}`,
      );
    }
    const document = parse(await readWhole(join(this.#path, TRIALS_FILE), MAX_BYTES));
    if (document === undefined || JSON.stringify(document.settings) !== JSON.stringify(this.#settings)) {
      const why = 'it is of another model, recipe, goal or seed; --force trains everything again';
      throw new NeuralDiffError('output-exists', `Cannot resume in "${this.#path}": ${why}`);
    }
    for (const trial of document.trials) if (names.has(trial.file)) this.#trials.set(trial.file, trial);
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
    const trials = [...this.#trials.values()];
    const document: Document = { format: 'neural-diff tune', version: 1, settings: this.#settings, trials };
    const text = `${JSON.stringify(document, null, 2)}\n`;
    await writeInto(this.#path, TRIALS_FILE, new TextEncoder().encode(text));
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

function parse(bytes: Uint8Array): Document | undefined {
  try {
    const json: Partial<Document> | null = JSON.parse(new TextDecoder().decode(bytes));
    if (json?.format !== 'neural-diff tune' || json.version !== 1) return undefined;
    return Array.isArray(json.trials) ? (json as Document) : undefined;
  } catch {
    return undefined;
  }
}
