import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a server does wrong; nothing unless given. */
export interface Tricks {
  /** Bytes of a body after which the connection is cut. */
  readonly cutAfter?: number | undefined;
  /** Bytes of a body after which nothing more comes, and nothing ends. */
  readonly stallAfter?: number | undefined;
  /** Milliseconds between the bytes of a body, which come one at a time. */
  readonly dripMs?: number | undefined;
  /** Sends whole files whatever part was asked for. */
  readonly ignoresRanges?: boolean | undefined;
  /** Sends another part than was asked for, and says so. */
  readonly shiftsRanges?: boolean | undefined;
  /** Goes on with zeros behind the file's end. */
  readonly isEndless?: boolean | undefined;
  /** Answers every request with this status, and no file. */
  readonly status?: number | undefined;
  /** Offset in files of a byte of which it flips a bit. */
  readonly flipsAt?: number | undefined;
}

/** A web server for tests of updates. */
export interface HostileServer {
  readonly url: string;
  /** May be changed at any time. */
  tricks: Tricks;
  /** What was asked for, in order: path and first byte. */
  readonly requests: readonly { readonly path: string; readonly offset: number }[];
  /** Bytes of bodies that were sent, so far as the server knows. */
  readonly bytesSent: number;
  close(): Promise<void>;
}

const PIECE_BYTES = 16_384;

/** Serves files from memory on a free port of this machine, as badly as it is told. */
export async function startHostileServer(
  files: ReadonlyMap<string, Uint8Array>,
  tricks: Tricks = {},
): Promise<HostileServer> {
  const requests: { path: string; offset: number }[] = [];
  const state = { tricks, bytesSent: 0 };
  const server = createServer((request, response) => {
    const path = decodeURIComponent((request.url as string).slice(1));
    const { asked, end } = rangeOf(request);
    requests.push({ path, offset: asked });
    const bytes = files.get(path);
    const { status } = state.tricks;
    if (bytes === undefined || status !== undefined) {
      response.writeHead(status ?? 404).end();
      return;
    }
    const range = { asked, length: end ?? bytes.length, isPart: end !== undefined || asked > 0 };
    const offset = answerHead(response, range, state.tricks);
    const count = (sent: number): void => {
      state.bytesSent += sent;
    };
    const sent = state.tricks.ignoresRanges ? bytes : bytes.subarray(0, range.length);
    void sendBody(response, bodyOf(sent, offset, state.tricks), { ...state.tricks, count });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    get tricks() {
      return state.tricks;
    },
    set tricks(next) {
      state.tricks = next;
    },
    get bytesSent() {
      return state.bytesSent;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** @returns the first byte that was asked for, and the one behind the last, if that was said */
function rangeOf({ headers }: IncomingMessage): { asked: number; end: number | undefined } {
  const [, first = '0', last = ''] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
  return { asked: Number(first), end: last === '' ? undefined : Number(last) + 1 };
}

/** @returns where in the file the body will begin */
function answerHead(
  response: ServerResponse,
  { asked, length, isPart }: { asked: number; length: number; isPart: boolean },
  { ignoresRanges, shiftsRanges }: Tricks,
): number {
  if (!isPart || ignoresRanges) {
    response.writeHead(200);
    return 0;
  }
  const offset = shiftsRanges ? Math.max(0, asked - 1) : asked;
  response.writeHead(206, { 'content-range': `bytes ${offset}-${length - 1}/${length}` });
  return offset;
}

function* bodyOf(bytes: Uint8Array, offset: number, { flipsAt, isEndless }: Tricks): Generator<Uint8Array> {
  for (let at = offset; at < bytes.length; at += PIECE_BYTES) {
    const piece = bytes.slice(at, at + PIECE_BYTES);
    const flipped = (flipsAt ?? -1) - at;
    if (flipped >= 0 && flipped < piece.length) piece[flipped] = (piece[flipped] as number) ^ 1;
    yield piece;
  }
  while (isEndless) yield new Uint8Array(PIECE_BYTES);
}

function* bytesOf(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  for (const piece of pieces) for (let at = 0; at < piece.length; at++) yield piece.subarray(at, at + 1);
}

async function sendBody(
  response: ServerResponse,
  pieces: Iterable<Uint8Array>,
  {
    cutAfter = Number.POSITIVE_INFINITY,
    stallAfter = Number.POSITIVE_INFINITY,
    dripMs,
    count,
  }: Tricks & { count: (sent: number) => void },
): Promise<void> {
  const most = Math.min(cutAfter, stallAfter);
  let sent = 0;
  for (const piece of dripMs === undefined ? pieces : bytesOf(pieces)) {
    if (dripMs !== undefined) await new Promise((resolve) => setTimeout(resolve, dripMs));
    const part = piece.subarray(0, most - sent);
    sent += part.length;
    count(part.length);
    // A write that is waited for is on its way before the connection is cut.
    await new Promise((resolve) => response.write(part, resolve));
    if (response.destroyed) return;
    if (sent < most) continue;
    if (most === cutAfter) response.destroy();
    return;
  }
  response.end();
}
