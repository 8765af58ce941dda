import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { NeuralDiffError } from '../../model/errors.js';
import { ifMissing, withFileErrors } from '../../node/file-errors.js';
import { writeOutput } from '../../node/output.js';
import type { Checkpoints } from '../../train/training-options.js';
import type { EpochReport } from '../../train/training-state.js';
import { openCheckpoints } from './checkpoints.js';
import { S3Files } from './s3-files.js';
import { digestOfFile, FolderFiles, readAll, readPieces, type StoreFiles } from './store-files.js';

/** Where a store is, as plain data that can be sent to a thread. */
export interface StoreAddress {
  /** A folder, or `s3://bucket/prefix`. */
  readonly url: string;
  /** URL of a server with the interface of S3; by default the one of its client's configuration. */
  readonly endpoint?: string | undefined;
}

/**
 * What the machines of a farm share: contents by their SHA-256, results by the id of their job, and states of
 * jobs that have begun. Others never see a part of a file; what is read is checked by its digest.
 */
export class FarmStore {
  readonly address: StoreAddress;
  readonly #files: StoreFiles;

  private constructor(address: StoreAddress, files: StoreFiles) {
    this.address = address;
    this.#files = files;
  }

  /**
   * Opens a store; a folder is made when something is first written.
   *
   * @throws NeuralDiffError of a store on S3: `missing-package` without its client, `network`,
   *   `file-not-found` without the bucket, `file-unreadable` if access is refused; RangeError for another URL
   */
  static async open(address: StoreAddress): Promise<FarmStore> {
    const { url } = address;
    const [scheme] = /^[a-z][a-z0-9+.-]+:\/\//i.exec(url) ?? [];
    if (scheme === undefined) return new FarmStore(address, new FolderFiles(url));
    if (scheme === 's3://') return new FarmStore(address, await S3Files.open(address));
    throw new RangeError(`Cannot use store "${url}": expected a folder or s3://bucket/prefix`);
  }

  /** @returns the SHA-256 of some content that the store now has */
  async put(content: Uint8Array): Promise<string> {
    const digest = createHash('sha256').update(content).digest('hex');
    if (!(await this.#isWhole(digest))) await this.#files.write(objectAt(digest), content, digest);
    return digest;
  }

  /** As `put`, of a file of any size. */
  async putFile(path: string): Promise<string> {
    const digest = await digestOfFile(path);
    if (!(await this.#isWhole(digest))) await this.#files.write(objectAt(digest), readPieces(path), digest);
    return digest;
  }

  /**
   * @returns content of which the SHA-256 is given
   * @throws NeuralDiffError `file-not-found`, `storage-mismatch`
   */
  async get(digest: string): Promise<Uint8Array> {
    const path = objectAt(digest);
    const bytes = await readAll(await this.#files.read(path));
    if (createHash('sha256').update(bytes).digest('hex') === digest) return bytes;
    throw this.#damaged(path);
  }

  /**
   * Copies content of which the SHA-256 is given to a new file, whose folder is made.
   *
   * @throws as `get`; then there is no such file
   */
  async copyTo(digest: string, target: string): Promise<void> {
    await withFileErrors(`Cannot write "${target}"`, () => mkdir(dirname(target), { recursive: true }));
    const path = objectAt(digest);
    const { pieces } = await this.#files.read(path);
    const hash = createHash('sha256');
    const damaged = (): NeuralDiffError => this.#damaged(path);
    const checked = async function* () {
      for await (const piece of pieces) {
        hash.update(piece);
        yield piece;
      }
      if (hash.digest('hex') !== digest) throw damaged();
    };
    await writeOutput(target, checked());
  }

  /** @returns the document of a job's result, if its product is there and whole */
  async readResult(id: string): Promise<JobResult | undefined> {
    const file = await this.#files.read(resultAt(id)).catch(ifMissing);
    const result = file && parseResult(await readAll(file));
    return result && (await this.#isWhole(result.product)) ? result : undefined;
  }

  /** Keeps what a job came to: its product, then the document of its result, and no more states. */
  async keepResult(id: string, { content, ...facts }: Ended): Promise<JobResult> {
    const about = { format: 'neural-diff job result', version: 1, job: id } as const;
    const result = { ...about, product: await this.put(content), ...facts };
    const text = `${JSON.stringify(result, null, 2)}\n`;
    await this.#files.write(resultAt(id), new TextEncoder().encode(text));
    await this.#files.removeFolder(stateAt(id));
    return result;
  }

  /** @returns where the runs of a job keep their states, while the job has no result */
  checkpointsOf(id: string): Checkpoints {
    return openCheckpoints(this.#files, stateAt(id));
  }

  async #isWhole(digest: string): Promise<boolean> {
    return (await this.#files.digest(objectAt(digest))) === digest;
  }

  #damaged(path: string): NeuralDiffError {
    const remedy = 'it is damaged, or another file; remove it and queue its jobs again';
    return new NeuralDiffError('storage-mismatch', `Cannot use "${this.#files.nameOf(path)}": ${remedy}`);
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

/** What a job that has ended is kept with. */
export interface Ended extends Pick<JobResult, 'seconds' | 'log' | 'facts'> {
  /** The product's bytes. */
  readonly content: Uint8Array;
}

function objectAt(digest: string): string {
  return `objects/${digest.slice(0, 2)}/${digest}`;
}

function resultAt(id: string): string {
  return `results/${id}.json`;
}

function stateAt(id: string): string {
  return `states/${id}`;
}

/** @returns undefined for a document that is damaged: the job is computed again */
function parseResult(bytes: Uint8Array): JobResult | undefined {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
