// Serves pages that run a bench in a browser.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build } from 'esbuild';

/** The environment variable names the program; Debian's package `chromium` puts it there. */
export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** @returns a script for browsers whose exports are the properties of a global `bench` */
export async function bundlePage(module: string): Promise<string> {
  const bundle = await build({
    entryPoints: [module],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'bench',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'error',
  });
  return bundle.outputFiles[0]?.text as string;
}

/** A server of files on this machine. */
export interface PageServer {
  /** Address of a page that loads `bench.js`. */
  readonly origin: string;
  close(): void;
}

/** @param contents files by path, `bench.js` among them */
export async function servePage(contents: ReadonlyMap<string, Uint8Array | string>): Promise<PageServer> {
  const files = new Map([['', '<!doctype html><script src="bench.js"></script>'], ...contents]);
  const server = createServer((request, response) => {
    const path = (request.url as string).slice(1);
    response.setHeader('content-type', typeOf(path));
    response.writeHead(files.has(path) ? 200 : 404).end(files.get(path));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function typeOf(path: string): string {
  if (path === '') return 'text/html';
  if (path.endsWith('.wasm')) return 'application/wasm';
  return path.endsWith('.js') ? 'text/javascript' : 'x/x';
}
