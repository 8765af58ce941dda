import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { NeuralDiffError } from '../../model/errors.js';
import { withFileErrors } from '../../node/file-errors.js';
import { writeOutput } from '../../node/output.js';
import type { EpochReport } from '../../train/training-state.js';

/**
 * A folder that the machines of a farm share, as by NFS: contents by their SHA-256, results by the id of
 * their job, and states of jobs that have begun. Files are written to the side and renamed, so that others
 * never see a part of one; what is read is checked by its digest.
 */
export class FarmStore {
  readonly #root: string;

  /** @param root the folder; made when something is first written */
  constructor(root: string) {
    this.#root = root;
  }

  /** @returns the SHA-256 of some content that the store now has */
  async put(content: Uint8Array): Promise<string> {
    const digest = createHash('sha256').update(content).digest('hex');
    if (!(await this.#isWhole(digest))) await this.#write(this.#object(digest), content);
    return digest;
  }

  /** As `put`, of a file of any size. */
  async putFile(path: string): Promise<string> {
    const digest = await withFileErrors(`Cannot read "${path}"`, () => digestOfFile(path));
    if (!(await this.#isWhole(digest))) await this.#write(this.#object(digest), createReadStream(path));
    return digest;
  }

  /**
   * @returns content of which the SHA-256 is given
   * @throws NeuralDiffError `file-not-found`, `storage-mismatch`
   */
  async get(digest: string): Promise<Uint8Array> {
    const path = this.#object(digest);
    const bytes = await withFileErrors(`Cannot read "${path}"`, () => readFile(path));
    if (createHash('sha256').update(bytes).digest('hex') === digest) return bytes;
    throw damaged(path);
  }

  /**
   * Copies content of which the SHA-256 is given to a new file, whose folder is made.
   *
   * @throws as `get`; then there is no such file
   */
  async copyTo(digest: string, path: string): Promise<void> {
    await mkdir(dirname(path), { recursive: true });
    const hash = createHash('sha256');
    const from = this.#object(digest);
    const pieces = async function* () {
      for await (const piece of createReadStream(from)) {
        hash.update(piece);
        yield piece as Uint8Array;
      }
      if (hash.digest('hex') !== digest) throw damaged(from);
    };
    await writeOutput(path, pieces());
  }

  /** @returns the document of a job's result, of which all is there and whole; else undefined */
  async readResult(id: string): Promise<JobResult | undefined> {
    const text = await readFile(this.#result(id), 'utf8').catch(() => undefined);
    if (text === undefined) return undefined;
    try {
      const result: JobResult = JSON.parse(text);
      return (await this.#isWhole(result.product)) ? result : undefined;
    } catch {
      return undefined;
    }
  }

  /** Keeps the document of a job's result, after the product that it names. */
  writeResult(id: string, result: JobResult): Promise<void> {
    return this.#write(this.#result(id), new TextEncoder().encode(`${JSON.stringify(result, null, 2)}\n`));
  }

  /** @returns the folder of a job's state, while the job has no result */
  stateOf(id: string): string {
    return join(this.#root, 'states', id);
  }

  /** Forgets the state of a job that has ended. */
  async removeState(id: string): Promise<void> {
    await rm(this.stateOf(id), { recursive: true, force: true });
  }

  #object(digest: string): string {
    return join(this.#root, 'objects', digest.slice(0, 2), digest);
  }

  #result(id: string): string {
    return join(this.#root, 'results', `${id}.json`);
  }

  async #isWhole(digest: string): Promise<boolean> {
    const found = await digestOfFile(this.#object(digest)).catch(() => undefined);
    return found === digest;
  }

  async #write(path: string, content: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
    await withFileErrors(`Cannot write "${path}"`, () => mkdir(dirname(path), { recursive: true }));
    await writeOutput(path, content, { force: true });
  }
}

/** What a job came to, as the store and `job run` write it. */
export interface JobResult {
  readonly format: 'neural-diff job result';
  readonly version: 1;
  readonly job: string;
  /** SHA-256 of the payload, or of the full fine-tune in the form of `node:v8`. */
  readonly product: string;
  /** Seconds in which it was trained, the last time that it was begun. */
  readonly seconds: number;
  /** Reports of its epochs, those of runs that started again too. */
  readonly log: readonly EpochReport[];
  /** Fingerprints, metrics and epochs of a diff; those of a full fine-tune are with its weights. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/** @returns the SHA-256 of a file, in hexadecimal digits */
export async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

function damaged(path: string): NeuralDiffError {
  const message = `Cannot use "${path}": it is damaged, or another file; remove it and queue its jobs again`;
  return new NeuralDiffError('storage-mismatch', message);
}
