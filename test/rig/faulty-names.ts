import { NeuralDiffError } from '../../src/model/errors.js';
import { folderOf } from '../../src/storage/disk.js';
import { FaultyFile, type Random } from './faulty-file.js';

/** A name that was given to a file, or taken away. */
interface Change {
  readonly path: string;
  /** Undefined where the name is taken away. */
  readonly file: FaultyFile | undefined;
  /** Shared by both halves of a rename, which survive together. */
  readonly rename?: number;
}

/**
 * Which file has which name, and what of that is durable. Changes within a folder become durable in order.
 */
export class FaultyNames {
  readonly #durable: Map<string, FaultyFile>;
  readonly #now: Map<string, FaultyFile>;
  #unsynced: Change[] = [];
  #renames = 0;

  constructor(files: ReadonlyMap<string, FaultyFile>) {
    this.#durable = new Map(files);
    this.#now = new Map(files);
  }

  get(path: string): FaultyFile | undefined {
    return this.#now.get(path);
  }

  find(path: string): FaultyFile {
    const file = this.#now.get(path);
    if (file !== undefined) return file;
    throw new NeuralDiffError('file-not-found', `Cannot open "${path}": there is no such file`);
  }

  make(path: string): FaultyFile {
    const known = this.#now.get(path);
    if (known !== undefined) return known;
    const file = new FaultyFile(new Uint8Array(0));
    this.#change([{ path, file }]);
    return file;
  }

  rename(from: string, to: string): void {
    const file = this.find(from);
    const rename = this.#renames++;
    this.#change([
      { path: from, file: undefined, rename },
      { path: to, file, rename },
    ]);
  }

  remove(path: string): void {
    if (this.#now.has(path)) this.#change([{ path, file: undefined }]);
  }

  list(folder: string): string[] {
    const start = folder === '' ? '' : `${folder}/`;
    return [...this.#now.keys()].filter((path) => path.startsWith(start)).sort();
  }

  totalBytes(): number {
    return [...this.#now.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** Makes the changes of some paths durable. */
  sync(isMeant: (path: string) => boolean): void {
    for (const change of this.#unsynced) if (isMeant(change.path)) perform(this.#durable, change);
    this.#unsynced = this.#unsynced.filter(({ path }) => !isMeant(path));
  }

  clone(): FaultyNames {
    const copies = new Map<FaultyFile, FaultyFile>();
    const copyOf = (file: FaultyFile): FaultyFile => {
      const known = copies.get(file) ?? file.clone();
      copies.set(file, known);
      return known;
    };
    const copy = new FaultyNames(new Map([...this.#durable].map(([path, file]) => [path, copyOf(file)])));
    copy.#now.clear();
    for (const [path, file] of this.#now) copy.#now.set(path, copyOf(file));
    copy.#unsynced = this.#unsynced.map((change) => ({
      ...change,
      file: change.file && copyOf(change.file),
    }));
    copy.#renames = this.#renames;
    return copy;
  }

  /**
   * @returns what is left: of each folder the first of its changes, and any part of what files were not
   * synced of
   */
  afterCut(random: Random): FaultyNames {
    const left = new Map(this.#durable);
    const ended = new Set<string>();
    const renames = new Map<number, boolean>();
    for (const change of this.#unsynced) {
      const folder = folderOf(change.path);
      const known = change.rename === undefined ? undefined : renames.get(change.rename);
      const isKept = known ?? (!ended.has(folder) && random() >= 0.25);
      if (change.rename !== undefined) renames.set(change.rename, isKept);
      if (isKept) perform(left, change);
      else ended.add(folder);
    }
    const found = new Map<FaultyFile, FaultyFile>();
    for (const file of left.values()) if (!found.has(file)) found.set(file, file.afterCut(random));
    return new FaultyNames(new Map([...left].map(([path, file]) => [path, found.get(file) as FaultyFile])));
  }

  #change(changes: readonly Change[]): void {
    for (const change of changes) perform(this.#now, change);
    this.#unsynced.push(...changes);
  }
}

function perform(names: Map<string, FaultyFile>, { path, file }: Change): void {
  if (file === undefined) names.delete(path);
  else names.set(path, file);
}
