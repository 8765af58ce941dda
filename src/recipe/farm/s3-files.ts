import { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import { NeuralDiffError } from '../../model/errors.js';
import { withS3Errors } from './s3-errors.js';
import type { FileContent, StoredFile, StoreFiles } from './store-files.js';

/** Bytes of a part of a file: two are in memory at once, and a file has at most 10,000, or 156 GiB. */
const PART_BYTES = 2 ** 24;

/** Parts on their way at once. */
const PARTS_AT_ONCE = 2;

/** Milliseconds until a server that does not answer counts as unreachable. */
const CONNECT_PATIENCE = 5_000;

/** Milliseconds after which a connection counts as broken on which nothing comes. */
const STALL_PATIENCE = 30_000;

/** Times that a request is sent, within about 2 seconds for a server that restarts. */
const TRIES = 7;

/**
 * A store in a bucket of a server with the interface of S3; the door to its client. Region and credentials
 * are those of the client's usual configuration, as AWS_REGION and AWS_ACCESS_KEY_ID.
 */
export class S3Files implements StoreFiles {
  readonly #sdk: Sdk;
  readonly #client: S3Client;
  readonly #place: Place;

  private constructor(sdk: Sdk, client: S3Client, place: Place) {
    this.#sdk = sdk;
    this.#client = client;
    this.#place = place;
  }

  /**
   * Opens a bucket, which must exist.
   *
   * @param address `s3://bucket/prefix`, and the server if it is another than that of the configuration
   * @throws NeuralDiffError `missing-package`, `network`, `file-not-found`, `file-unreadable`; RangeError for
   *   another URL
   */
  static async open({ url, endpoint }: { url: string; endpoint?: string | undefined }): Promise<S3Files> {
    const place = readUrl(url);
    const sdk = await importSdk();
    const client = new sdk.S3Client({
      ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
      maxAttempts: TRIES,
      // Contents are checked by their own digests, and not all servers know those of the client.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: { connectionTimeout: CONNECT_PATIENCE, socketTimeout: STALL_PATIENCE },
    });
    const { bucket: Bucket, prefix: Prefix } = place;
    const look = new sdk.ListObjectsV2Command({ Bucket, Prefix, MaxKeys: 1 });
    await withS3Errors(`Cannot use store "${url}"`, () => client.send(look));
    return new S3Files(sdk, client, place);
  }

  nameOf(path: string): string {
    const { Bucket, Key } = this.#at(path);
    return `s3://${Bucket}/${Key}`;
  }

  async read(path: string): Promise<StoredFile> {
    const prefix = `Cannot read "${this.nameOf(path)}"`;
    const get = new this.#sdk.GetObjectCommand(this.#at(path));
    const { Body, ContentLength = 0 } = await withS3Errors(prefix, () => this.#client.send(get));
    return { bytes: ContentLength, pieces: readBody(Body as Readable, prefix) };
  }

  async write(path: string, content: FileContent, digest?: string): Promise<void> {
    const Body = content instanceof Uint8Array ? content : Readable.from(content);
    const params = { ...this.#at(path), Body, ...(digest !== undefined && { Metadata: { sha256: digest } }) };
    const parts = { partSize: PART_BYTES, queueSize: PARTS_AT_ONCE };
    const upload = new this.#sdk.Upload({ client: this.#client, params, ...parts });
    await withS3Errors(`Cannot write "${this.nameOf(path)}"`, () => upload.done());
  }

  async digest(path: string): Promise<string | undefined> {
    const head = new this.#sdk.HeadObjectCommand(this.#at(path));
    try {
      const prefix = `Cannot read "${this.nameOf(path)}"`;
      const { Metadata } = await withS3Errors(prefix, () => this.#client.send(head));
      return Metadata?.sha256;
    } catch (error) {
      if (error instanceof NeuralDiffError && error.code === 'file-not-found') return undefined;
      throw error;
    }
  }

  async removeFolder(path: string): Promise<void> {
    const { paginateListObjectsV2, DeleteObjectCommand } = this.#sdk;
    const { Bucket, Key } = this.#at(path);
    await withS3Errors(`Cannot remove "${this.nameOf(path)}"`, async () => {
      const pages = paginateListObjectsV2({ client: this.#client }, { Bucket, Prefix: `${Key}/` });
      for await (const { Contents = [] } of pages)
        for (const found of Contents)
          await this.#client.send(new DeleteObjectCommand({ Bucket, Key: found.Key }));
    });
  }

  #at(path: string): { Bucket: string; Key: string } {
    const { bucket, prefix } = this.#place;
    return { Bucket: bucket, Key: `${prefix}${path}` };
  }
}

interface Place {
  readonly bucket: string;
  /** What the names of all files begin with: empty, or with a slash at its end. */
  readonly prefix: string;
}

function readUrl(url: string): Place {
  const [, bucket, path = ''] = /^s3:\/\/([^/]+)(?:\/(.*))?$/.exec(url) ?? [];
  const steps = path.split('/').filter((step) => step !== '');
  if (bucket === undefined)
    throw new RangeError(`Cannot use store "${url}": expected s3://bucket or s3://bucket/prefix`);
  return { bucket, prefix: steps.map((step) => `${step}/`).join('') };
}

/** @returns pieces whose errors are those of the package */
async function* readBody(body: Readable, prefix: string): AsyncGenerator<Uint8Array> {
  const pieces = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await withS3Errors(prefix, () => pieces.next());
      if (done) return;
      yield value;
    }
  } finally {
    body.destroy();
  }
}

type Sdk = Awaited<ReturnType<typeof importSdk>>;

async function importSdk() {
  try {
    const [client, { Upload }] = await Promise.all([
      import('@aws-sdk/client-s3'),
      import('@aws-sdk/lib-storage'),
    ]);
    return { ...client, Upload };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    const message =
      'Cannot use a store on S3: run "npm install @aws-sdk/client-s3@3 @aws-sdk/lib-storage@3" first';
    throw new NeuralDiffError('missing-package', message, { cause });
  }
}
