import { concatBytes } from '../model/bytes.js';
import { NeuralDiffError } from '../model/errors.js';
import { LONGEST_MS } from './deadline.js';

/** How a web server is asked. */
export interface HttpSourceOptions {
  /** Address of the repository's folder. */
  readonly url: string;
  /** The runtime's own unless given. */
  readonly fetch?: typeof fetch;
  /** Milliseconds without a byte after which a transfer counts as stalled; default 30,000. */
  readonly stallMs?: number;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
}

const DEFAULT_STALL_MS = 30_000;

/** Reads a repository from any web server: whole files, or from an offset on where it serves ranges. */
export function openHttpSource(options: HttpSourceOptions): UpdateSource {
  return {
    async fetch(path, { maxBytes, signal }) {
      const watch = watchFor(options, signal);
      try {
        const response = await request(options, path, { signal: watch.signal });
        if (response.status !== 200) {
          await response.body?.cancel().catch(() => undefined);
          if (response.status === 404) return undefined;
          throw failed(path, `the server answers ${response.status}`);
        }
        return await readWhole(piecesOf(response, path, watch), { path, maxBytes });
      } finally {
        watch.end();
      }
    },
    async open(path, { offset, signal }) {
      const watch = watchFor(options, signal);
      const headers: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {};
      const response = await request(options, path, { signal: watch.signal, headers }).catch((error) => {
        watch.end();
        throw error;
      });
      const start = startOf(response, offset);
      if (start === undefined) {
        watch.end();
        await response.body?.cancel();
        throw failed(path, `the server answers ${response.status}`);
      }
      return { offset: start, pieces: piecesOf(response, path, watch) };
    },
  };
}

/** @returns where what a server sends begins; undefined for no part of the file */
function startOf({ status, headers }: Response, offset: number): number | undefined {
  if (status === 200) return 0;
  if (status !== 206) return undefined;
  const range = headers.get('content-range');
  // Browsers hide it from pages of other origins; should it be another part, the digest of the file will tell.
  if (range === null) return offset;
  const [, start] = /^bytes (\d+)-/.exec(range) ?? [];
  return start !== undefined && Number(start) === offset ? offset : undefined;
}

async function request(
  { url, headers, fetch: ask = fetch }: HttpSourceOptions,
  path: string,
  init: { signal: AbortSignal; headers?: Record<string, string> },
): Promise<Response> {
  try {
    const all = { ...headers, ...init.headers };
    // Ranges of a compressed body would not be ranges of the file.
    return await ask(`${url.replace(/\/$/, '')}/${path}`, {
      signal: init.signal,
      headers: { 'accept-encoding': 'identity', ...all },
      redirect: 'follow',
      // Browsers would guess how long a timestamp stays fresh, and keep files that are kept here.
      cache: 'no-store',
    });
  } catch (cause) {
    throw asNetwork(path, cause, init.signal);
  }
}

/** A transfer that is watched for stalls. */
interface Watch {
  readonly signal: AbortSignal;
  /** Waits for bytes from now on; nothing counts as a stall while whoever reads is busy. */
  resume(): void;
  pause(): void;
  end(): void;
}

function watchFor({ stallMs = DEFAULT_STALL_MS }: HttpSourceOptions, signal: AbortSignal | undefined): Watch {
  const controller = new AbortController();
  const stall = (): void => controller.abort(failed('the server', `nothing came for ${stallMs} ms`));
  const start = () => setTimeout(stall, Math.min(stallMs, LONGEST_MS));
  let timer = start();
  const forward = (): void => controller.abort(signal?.reason);
  if (signal?.aborted) forward();
  signal?.addEventListener('abort', forward);
  return {
    signal: controller.signal,
    resume() {
      clearTimeout(timer);
      timer = start();
    },
    pause: () => clearTimeout(timer),
    end() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', forward);
    },
  };
}

async function* piecesOf(response: Response, path: string, watch: Watch): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  try {
    for (;;) {
      watch.resume();
      const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
      if (done) return;
      watch.pause();
      yield value;
    }
  } catch (cause) {
    throw asNetwork(path, cause, watch.signal);
  } finally {
    watch.end();
    await reader?.cancel().catch(() => undefined);
  }
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
      const message = `Cannot fetch "${path}": it has more than ${maxBytes} bytes`;
      throw new NeuralDiffError('limit-exceeded', message);
    }
    parts.push(piece);
  }
  return concatBytes(parts);
}

/** The reason of an abort is what whoever aborted gave. */
function asNetwork(path: string, cause: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  return cause instanceof NeuralDiffError ? cause : failed(path, String((cause as Error).message), cause);
}

function failed(path: string, problem: string, cause?: unknown): NeuralDiffError {
  return new NeuralDiffError('network', `Cannot fetch "${path}": ${problem}`, { cause });
}

/** Where releases come from: a repository as `neural-diff publish` lays it out. */
export interface UpdateSource {
  /**
   * Fetches a file whole.
   *
   * @param path below the repository, as `metadata/timestamp.json`
   * @param maxBytes longer files are refused
   * @returns the file; undefined where there is none, and only then
   * @throws NeuralDiffError `network`; `limit-exceeded` for a longer file
   */
  fetch(
    path: string,
    options: { maxBytes: number; signal?: AbortSignal | undefined },
  ): Promise<Uint8Array | undefined>;
  /**
   * Opens a file from an offset on.
   *
   * @throws NeuralDiffError `network`, also where there is no such file
   */
  open(
    path: string,
    options: { offset: number; signal?: AbortSignal | undefined },
  ): Promise<{
    /** Where in the file the part begins: the offset that was asked for, or 0 from a source that cannot begin elsewhere. */
    readonly offset: number;
    /** The bytes from there to the file's end; to stop reading ends the transfer. */
    readonly pieces: AsyncIterable<Uint8Array>;
  }>;
}

/** A file from an offset on. */
export type SourcePart = Awaited<ReturnType<UpdateSource['open']>>;
