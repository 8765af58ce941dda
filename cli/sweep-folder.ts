import { join } from 'node:path';
import { type ErrorFacts, NeuralDiffError } from '../src/model/errors.js';
import { openFolder } from '../src/node/folder.js';
import { listFolder, removeFrom, writeInto } from '../src/node/output.js';
import { readPayload } from '../src/node/read-payload.js';
import { openPayload } from '../src/payload/open-payload.js';
import type { DiffKind } from '../src/recipe/options.js';
import type { TrainedDiff } from '../src/train/train-diff.js';
import type { Cell } from './sweep-grid.js';

/** Name of the document next to the payloads. */
export const RESULTS_FILE = 'results.json';

/** What `results.json` holds; docs/RECIPES.md describes it. */
export interface Results {
  readonly format: 'neural-diff sweep' | 'neural-diff search';
  readonly version: 1;
  readonly settings: Settings;
  /**
   * In the order of the grid, then those of an earlier sweep that are not in the grid; a job that has not
   * ended has none.
   */
  readonly rows: readonly Row[];
}

/** What all jobs of a sweep share; a sweep is resumed only with the same settings. */
export interface Settings {
  /** Fingerprint of the base. */
  readonly base: string;
  readonly recipe: string;
  readonly backend: 'wasm' | 'cpu';
  readonly full?: string | undefined;
  readonly epochs?: number | undefined;
  readonly batchSize?: number | undefined;
  readonly learningRate?: number | undefined;
  readonly only?: readonly string[] | undefined;
  readonly freeze?: readonly string[] | undefined;
}

/** The facts of a row's job. */
export interface JobFacts {
  readonly kind: DiffKind;
  /** As the flag says. */
  readonly budget: string;
  readonly budgetBytes: number;
  readonly seed: number;
}

/** A job that made a payload. */
export interface TrainedRow extends JobFacts {
  readonly file: string;
  readonly payloadBytes: number;
  readonly share: number;
  /** Fingerprints. */
  readonly base: string;
  readonly next: string;
  readonly metrics: TrainedDiff['metrics'];
  readonly validationExamples: number;
  /** File of a smaller budget whose payload this is too: the job's own did worse. */
  readonly takenFrom?: string;
}

/** A job that failed. */
export interface FailedRow extends JobFacts {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly facts?: ErrorFacts;
  };
}

export type Row = TrainedRow | FailedRow;

/** Milliseconds from which on it matters that the list is written after each job. */
const LONG_WRITE = 100;

/** Times that a write of the list must take until the next one. */
const WRITE_SHARE = 10;

/** Output folder of a sweep, or work folder of a search: payloads, and the document that lists them. */
export class SweepFolder {
  readonly #path: string;
  readonly #about: Pick<Results, 'format' | 'settings'>;
  readonly #cells: readonly Cell[];
  readonly #rows = new Map<string, Row>();
  #isListed = true;
  /** When the list may be written again, as `performance.now` tells. */
  #nextList = 0;

  /** @param cells the grid; none for a search, whose rows are in the order in which they are kept */
  constructor(path: string, about: Pick<Results, 'format' | 'settings'>, cells: readonly Cell[]) {
    this.#path = path;
    this.#about = about;
    this.#cells = cells;
  }

  /** Those of the grid, in its order. */
  get rows(): Row[] {
    return this.#cells.flatMap(({ file }) => this.#rows.get(file) ?? []);
  }

  /** The document with the rows so far. */
  get results(): Results {
    const inGrid = new Set(this.#cells.map(({ file }) => file));
    const others = [...this.#rows].filter(([file]) => !inGrid.has(file)).map(([, row]) => row);
    const { format, settings } = this.#about;
    return { format, version: 1, settings, rows: [...this.rows, ...others] };
  }

  /** @returns the row of a payload that is in the folder */
  find(file: string): TrainedRow | undefined {
    const row = this.#rows.get(file);
    return row && 'file' in row ? row : undefined;
  }

  /** @returns whether the cell has its payload */
  has(cell: Cell): boolean {
    return this.find(cell.file) !== undefined;
  }

  /** @returns the payload of a row */
  payload(file: string): Promise<Uint8Array> {
    return readPayload(join(this.#path, file));
  }

  /**
   * Finds the payloads of an earlier sweep.
   *
   * @throws NeuralDiffError `output-exists` when something would be replaced, unless forced
   */
  async open({ force, resume }: { force: boolean; resume: boolean }): Promise<void> {
    const names = await listFolder(this.#path);
    const found = [RESULTS_FILE, ...this.#cells.map(({ file }) => file)].filter((name) => names.has(name));
    if (force || found.length === 0) return;
    if (!resume) {
      const exists = 'it exists already; --resume keeps what is finished, --force trains it again';
      const message = `Cannot write "${join(this.#path, found[0] as string)}": ${exists}`;
      throw new NeuralDiffError('output-exists', message);
    }
    const earlier = names.has(RESULTS_FILE) ? await this.#readResults() : [];
    const kept = earlier.filter((row) => 'file' in row && names.has(row.file)) as TrainedRow[];
    for (const row of kept) await this.#restore(row);
  }

  /** Keeps a row, after its payload if it has one; a list of thousands may be written later, by `flush`. */
  async keep(cell: Cell, row: Row, payload?: Uint8Array): Promise<void> {
    if (payload) await writeInto(this.#path, cell.file, payload);
    this.#rows.set(cell.file, row);
    this.#isListed = false;
    if (performance.now() >= this.#nextList) await this.flush();
  }

  /** Writes the list, if rows are missing in it. */
  async flush(): Promise<void> {
    if (this.#isListed) return;
    const start = performance.now();
    const text = `${JSON.stringify(this.results, null, 2)}\n`;
    await writeInto(this.#path, RESULTS_FILE, new TextEncoder().encode(text));
    this.#isListed = true;
    const took = performance.now() - start;
    this.#nextList = took < LONG_WRITE ? 0 : start + took * WRITE_SHARE;
  }

  /** Removes what is listed and the list, and the folder unless it holds something else. */
  async remove(): Promise<void> {
    await removeFrom(this.#path, [...this.#rows.keys(), RESULTS_FILE]);
  }

  async #readResults(): Promise<readonly Row[]> {
    const folder = await openFolder(this.#path);
    const bytes = new Uint8Array(await folder.size(RESULTS_FILE));
    await folder.readInto(RESULTS_FILE, 0, bytes).finally(() => folder.close());
    const { format, settings } = this.#about;
    const results = parse(new TextDecoder().decode(bytes), format);
    if (results === undefined)
      throw this.#cannotResume(`expected the results of a ${format.replace(/.* /, '')} in "${RESULTS_FILE}"`);
    const differing = Object.keys({ ...results.settings, ...settings }).find((name) => {
      const key = name as keyof Settings;
      return JSON.stringify(results.settings[key]) !== JSON.stringify(settings[key]);
    }) as keyof Settings | undefined;
    if (differing) {
      const [earlier, wanted] = [results.settings[differing], settings[differing]].map(String);
      throw this.#cannotResume(`it was made with ${differing} ${earlier}, expected ${wanted}`);
    }
    return results.rows;
  }

  async #restore(row: TrainedRow): Promise<void> {
    const { header } = await openPayload(await this.payload(row.file));
    if (header.next !== row.next)
      throw this.#cannotResume(`"${row.file}" is not the payload of its row in "${RESULTS_FILE}"`);
    this.#rows.set(row.file, row);
  }

  #cannotResume(why: string): NeuralDiffError {
    return new NeuralDiffError(
      'output-exists',
      `Cannot resume in "${this.#path}": ${why}; --force trains everything again`,
    );
  }
}

/** @returns the document, its payloads unchecked; undefined for anything else */
function parse(text: string, format: Results['format']): Results | undefined {
  try {
    const json: Partial<Results> | null = JSON.parse(text);
    if (json?.format !== format || json.version !== 1) return undefined;
    const { settings, rows } = json;
    const isMap = (value: unknown): boolean => typeof value === 'object' && value !== null;
    return isMap(settings) && Array.isArray(rows) && rows.every(isMap) ? (json as Results) : undefined;
  } catch {
    return undefined;
  }
}
