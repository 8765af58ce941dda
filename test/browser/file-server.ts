import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname } from 'node:path';

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/** A running server. */
export interface FileServer {
  /** `http://127.0.0.1:{port}`: a secure context to browsers, so that they offer SHA-256. */
  readonly origin: string;
  close(): Promise<void>;
}

/**
 * Serves files from memory to this machine only.
 *
 * @param files contents by path without the leading slash
 * @returns the server, on a free port
 */
export async function serveFiles(files: ReadonlyMap<string, Uint8Array | string>): Promise<FileServer> {
  const server = createServer((request, response) => {
    const path = new URL(request.url as string, 'http://127.0.0.1').pathname.slice(1);
    const content = files.get(path);
    const type = CONTENT_TYPES[extname(path)] ?? 'application/octet-stream';
    response.writeHead(content === undefined ? 404 : 200, { 'content-type': type });
    response.end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}
