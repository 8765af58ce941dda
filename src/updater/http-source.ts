import { type Abort, createAbort } from '../model/abort.js';
import { concatBytes } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { LONGEST_MS } from './deadline.js';
import { followRedirects } from './follow-redirects.js';
import { iterate } from './iterate.js';

/** Options of `openHttpSource`. */
export interface HttpSourceOptions {
  /** URL of the repository's folder. */
  readonly url: string;
  /** Defaults to the runtime's `fetch`. */
  readonly fetch?: typeof fetch;
  /** Milliseconds without a byte after which a transfer fails; defaults to 30,000. */
  readonly stallMs?: number;
  /**
   * Headers of every request to the origin of `url`. They are not sent to other origins that it redirects
   * to; in browsers, which hide that, redirects are then refused.
   */
  readonly headers?: Readonly<Record<string, string>>;
}

const DEFAULT_STALL_MS = 30_000;

/** Opens a repository on a web server. Downloads can be resumed if the server supports range requests. */
export function openHttpSource(options: HttpSourceOptions): UpdateSource {
  return {
    async fetch(path, { maxBytes, signal }) {
      const watch = watchFor(options, signal);
      try {
        const response = await request(options, path, { watch });
        if (response.status !== 200) {
          await response.body?.cancel().catch(() => undefined);
          if (response.status === 404) return undefined;
          throw failed(path, `the server responded with status ${response.status}`);
        }
        return await readWhole(piecesOf(response, path, watch), { path, maxBytes });
      } finally {
        watch.end();
      }
    },
    async open(path, { offset, end, signal }) {
      const watch = watchFor(options, signal);
      const isPart = offset > 0 || end !== undefined;
      const range = `bytes=${offset}-${end === undefined ? '' : end - 1}`;
      const headers: Record<string, string> = isPart ? { range } : {};
      const response = await request(options, path, { watch, headers }).catch((error) => {
        watch.end();
        throw error;
      });
      const start = startOf(response, offset);
      if (start === undefined) {
        watch.end();
        await response.body?.cancel();
        throw failed(path, `the server responded with status ${response.status}`);
      }
      return { offset: start, pieces: piecesOf(response, path, watch) };
    },
  };
}

/** @returns the offset at which a response starts; undefined for a response without a part of the file */
function startOf({ status, headers }: Response, offset: number): number | undefined {
  if (status === 200) return 0;
  if (status !== 206) return undefined;
  const range = headers.get('content-range');
  // Browsers hide the header from other origins; a wrong part is detected by the file's digest.
  if (range === null) return offset;
  const [, start] = /^bytes (\d+)-/.exec(range) ?? [];
  return start !== undefined && Number(start) === offset ? offset : undefined;
}

async function request(
  { url, headers = {}, fetch: send = fetch }: HttpSourceOptions,
  path: string,
  init: { watch: Watch; headers?: Record<string, string> },
): Promise<Response> {
  try {
    return await followRedirects(send, {
      url: `${url.replace(/\/$/, '')}/${path}`,
      headers,
      // Compression is disabled, since ranges of a compressed body are not ranges of the file.
      publicHeaders: { 'accept-encoding': 'identity', ...init.headers },
      signal: init.watch.signal,
    });
  } catch (cause) {
    const error = asNetwork(path, cause, init.watch);
    // Runtimes put the reason of a failed connection into the cause: "connect ECONNREFUSED 127.0.0.1:80".
    const { cause: reason } = cause as Error;
    throw reason instanceof Error && error !== init.watch.reason()
      ? failed(path, `${withoutQuery(url)}: ${reason.message}`, cause)
      : error;
  }
}

/** @returns the address without its query, which may be a secret */
const withoutQuery = (url: string): string => url.replace(/[?#].*/s, '');

/** Detects stalls of a transfer. */
interface Watch extends Pick<Abort, 'signal' | 'reason'> {
  /** Restarts the timeout; it is paused while the reader is busy. */
  resume(): void;
  pause(): void;
  end(): void;
}

function watchFor({ stallMs = DEFAULT_STALL_MS }: HttpSourceOptions, signal: AbortSignal | undefined): Watch {
  const abort = createAbort(signal);
  const stall = (): void => abort.abort(failed('the server', `no data received for ${stallMs} ms`));
  const start = () => setTimeout(stall, Math.min(stallMs, LONGEST_MS));
  let timer = start();
  return {
    signal: abort.signal,
    reason: abort.reason,
    resume() {
      clearTimeout(timer);
      timer = start();
    },
    pause: () => clearTimeout(timer),
    end() {
      clearTimeout(timer);
      abort.end();
    },
  };
}

function piecesOf(response: Response, path: string, watch: Watch): AsyncIterable<Uint8Array> {
  const { read, cancel } = readerOf(response);
  return iterate(
    async () => {
      watch.resume();
      try {
        const piece = await read();
        watch.pause();
        return piece;
      } catch (cause) {
        throw asNetwork(path, cause, watch);
      }
    },
    async () => {
      watch.end();
      await cancel();
    },
  );
}

/** How the body of a response is read; React Native's `fetch` has it as a whole only. */
function readerOf(response: Response): {
  read: () => Promise<Uint8Array | undefined>;
  cancel: () => Promise<void>;
} {
  const reader = response.body?.getReader();
  if (reader)
    return {
      read: async () => (await reader.read()).value,
      cancel: () => reader.cancel().catch(() => undefined),
    };
  let isRead = false;
  return {
    async read() {
      if (isRead) return undefined;
      isRead = true;
      return new Uint8Array(await response.arrayBuffer());
    },
    cancel: async () => undefined,
  };
}

async function readWhole(
  pieces: AsyncIterable<Uint8Array>,
  { path, maxBytes }: { path: string; maxBytes: number },
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const piece of pieces) {
    length += piece.length;
    if (length > maxBytes) {
      const message = `Cannot fetch "${path}": expected at most ${maxBytes} bytes, got more`;
      throw new NeuralDiffError('limit-exceeded', message);
    }
    parts.push(piece);
  }
  return concatBytes(parts);
}

/** @returns the reason of an aborted signal, otherwise a `network` error */
function asNetwork(
  path: string,
  cause: unknown,
  { signal, reason }: Pick<Watch, 'signal' | 'reason'>,
): unknown {
  if (signal.aborted) return reason();
  return cause instanceof NeuralDiffError ? cause : failed(path, String((cause as Error).message), cause);
}

function failed(path: string, problem: string, cause?: unknown): NeuralDiffError {
  // Runtimes quote addresses, with user and password.
  const safe = problem.replace(/\/\/[^/\s]*@/g, '//');
  return new NeuralDiffError('network', `Cannot fetch "${path}": ${safe}`, { cause });
}

/** A source of releases: a repository as written by `neural-diff publish`. */
export interface UpdateSource {
  /**
   * Fetches a whole file.
   *
   * @param path path in the repository, for example `metadata/timestamp.json`
   * @param options `maxBytes`: longer files are refused; `signal`: cancels the transfer
   * @returns the file; undefined only for a missing file
   * @throws NeuralDiffError `network`; `limit-exceeded` for a longer file
   */
  fetch(
    path: string,
    options: { maxBytes: number; signal?: AbortSignal | undefined },
  ): Promise<Uint8Array | undefined>;
  /**
   * Opens a file from an offset on.
   *
   * @param options `end`: offset of the first byte that is not needed, which sources may ignore
   * @throws NeuralDiffError `network`, also for a missing file
   */
  open(
    path: string,
    options: { offset: number; end?: number; signal?: AbortSignal | undefined },
  ): Promise<{
    /** Offset of the first byte: the requested one, or 0 if the source does not support offsets. */
    readonly offset: number;
    /** The bytes to the file's end; ending the iteration ends the transfer. */
    readonly pieces: AsyncIterable<Uint8Array>;
  }>;
}

/** A file from an offset on. */
export type SourcePart = Awaited<ReturnType<UpdateSource['open']>>;
