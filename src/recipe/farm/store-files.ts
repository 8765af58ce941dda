import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ifMissing, withFileErrors } from '../../node/file-errors.js';
import { writeOutput } from '../../node/output.js';

/** The files of a store by path, with `/` on every platform; each is written whole or not at all. */
export interface StoreFiles {
  /** @returns what messages call a file */
  nameOf(path: string): string;
  /** @throws NeuralDiffError `file-not-found`; later, by the pieces, those of reading */
  read(path: string): Promise<StoredFile>;
  /**
   * Writes or replaces a file; others see the old one or all of the new one.
   *
   * @param digest SHA-256 of the content, where it is known
   */
  write(path: string, content: FileContent, digest?: string): Promise<void>;
  /**
   * @returns the SHA-256 of a file, or, where that would need its transfer, what was noted when it was
   *   written; undefined without a file or a note
   */
  digest(path: string): Promise<string | undefined>;
  /** Removes a folder with all of its files; there may be none. */
  removeFolder(path: string): Promise<void>;
}

/** What is written into a file. */
export type FileContent = Uint8Array | AsyncIterable<Uint8Array>;

/** A file that is being read; its pieces are to be taken, once. */
export interface StoredFile {
  readonly bytes: number;
  readonly pieces: AsyncIterable<Uint8Array>;
}

/** @returns the content of a file; of a file that changes on the way, as many bytes as it had at first */
export async function readAll({ bytes, pieces }: StoredFile): Promise<Uint8Array> {
  const content = new Uint8Array(bytes);
  let length = 0;
  for await (const piece of pieces) {
    content.set(piece.subarray(0, bytes - length), length);
    length = Math.min(bytes, length + piece.length);
  }
  return content.subarray(0, length);
}

/** A store in a folder that the machines of a farm share, as by NFS. */
export class FolderFiles implements StoreFiles {
  readonly #root: string;

  /** @param root the folder; made when something is first written */
  constructor(root: string) {
    this.#root = root;
  }

  nameOf(path: string): string {
    return join(this.#root, ...path.split('/'));
  }

  async read(path: string): Promise<StoredFile> {
    const name = this.nameOf(path);
    const { size } = await withFileErrors(`Cannot read "${name}"`, () => stat(name));
    return { bytes: size, pieces: readPieces(name) };
  }

  async write(path: string, content: FileContent): Promise<void> {
    const name = this.nameOf(path);
    await withFileErrors(`Cannot write "${name}"`, () => mkdir(dirname(name), { recursive: true }));
    await writeOutput(name, content, { force: true });
  }

  digest(path: string): Promise<string | undefined> {
    return digestOfFile(this.nameOf(path)).catch(ifMissing);
  }

  async removeFolder(path: string): Promise<void> {
    const name = this.nameOf(path);
    await withFileErrors(`Cannot remove "${name}"`, () => rm(name, { recursive: true, force: true }));
  }
}

/**
 * Reads a file of any size.
 *
 * @throws NeuralDiffError `file-not-found`, `file-unreadable`
 */
export async function* readPieces(path: string): AsyncGenerator<Uint8Array> {
  const stream = createReadStream(path);
  const pieces = stream[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await withFileErrors(`Cannot read "${path}"`, () => pieces.next());
      if (done) return;
      yield value;
    }
  } finally {
    stream.destroy();
  }
}

/**
 * @returns the SHA-256 of a file, in hexadecimal digits
 * @throws as `readPieces`
 */
export async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of readPieces(path)) hash.update(piece);
  return hash.digest('hex');
}
