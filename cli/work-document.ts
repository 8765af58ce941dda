import { join } from 'node:path';
import { NeuralDiffError } from '../src/model/errors.js';
import { listFolder, writeInto } from '../src/node/output.js';
import { readWhole } from '../src/node/read-whole.js';

/** Largest document. */
const MAX_BYTES = 2 ** 26;

/** What a document is. */
interface DocumentForm<T> {
  readonly name: string;
  readonly format: string;
  /** What the search depends on, as JSON: it goes on only with the same. */
  readonly settings: unknown;
  readonly isWhole: (found: Partial<T>) => boolean;
}

/** The document in the work folder of a search, by which another run goes on. */
export class WorkDocument<T extends object> {
  readonly #folder: string;
  readonly #name: string;
  readonly #isWhole: (found: Partial<T>) => boolean;
  readonly #about: { readonly format: string; readonly version: 1; readonly settings: unknown };

  constructor(folder: string, { name, format, settings, isWhole }: DocumentForm<T>) {
    this.#folder = folder;
    this.#name = name;
    this.#isWhole = isWhole;
    this.#about = { format, version: 1, settings: JSON.parse(JSON.stringify(settings)) };
  }

  /**
   * @returns what an earlier run wrote, and the names of the files in the folder; undefined to start
   * @throws NeuralDiffError `output-exists` when something would be replaced, unless forced
   */
  async open({ force, resume }: { force: boolean; resume: boolean }) {
    const names = await listFolder(this.#folder);
    if (!names.has(this.#name) || (force && !resume)) return undefined;
    const path = join(this.#folder, this.#name);
    if (!resume) {
      const exists = 'it exists already; --resume keeps what has ended, --force trains it again';
      throw new NeuralDiffError('output-exists', `Cannot write "${path}": ${exists}`);
    }
    const found = parse<T>(await readWhole(path, MAX_BYTES));
    const isSame = (['format', 'version', 'settings'] as const).every(
      (key) => JSON.stringify(found?.[key]) === JSON.stringify(this.#about[key]),
    );
    if (found && isSame && this.#isWhole(found)) return { ...found, names };
    const why = 'it is of another model, recipe, version or other flags; --force trains everything again';
    throw new NeuralDiffError('output-exists', `Cannot resume in "${this.#folder}": ${why}`);
  }

  /** Replaces the document. */
  async write(content: T): Promise<void> {
    const text = `${JSON.stringify({ ...this.#about, ...content }, null, 2)}\n`;
    await writeInto(this.#folder, this.#name, new TextEncoder().encode(text));
  }
}

function parse<T>(bytes: Uint8Array): (T & Partial<Record<string, unknown>>) | undefined {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) ?? undefined;
  } catch {
    return undefined;
  }
}
