import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
};

/** A running server. */
export interface FolderServer {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves a folder to this machine, whole files or from an offset on.
 *
 * @param port 0 for a free one
 */
export async function serveFolder(folder: string, port = 0): Promise<FolderServer> {
  const server = createServer((request, response) => {
    answer(folder, request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(folder: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname } = new URL(request.url as string, 'http://127.0.0.1');
  // Of an absolute path nothing is left that climbs.
  const path = join(folder, normalize(decodeURIComponent(pathname === '/' ? '/index.html' : pathname)));
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) return void response.writeHead(404).end();
  const type = CONTENT_TYPES[extname(path)] ?? 'application/octet-stream';
  const headers = { 'content-type': type, 'accept-ranges': 'bytes', 'cache-control': 'no-cache' };
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (start >= found.size && start > 0) return void response.writeHead(416).end();
  if (start === 0) response.writeHead(200, { ...headers, 'content-length': found.size });
  else {
    const range = `bytes ${start}-${found.size - 1}/${found.size}`;
    response.writeHead(206, { ...headers, 'content-range': range, 'content-length': found.size - start });
  }
  createReadStream(path, { start })
    .on('error', () => response.destroy())
    .pipe(response);
}
