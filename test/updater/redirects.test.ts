import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { openHttpSource } from '../../src/updater/http-source.js';
import { codeOf, errorOf } from '../support.js';

const FILE = 'the file';
const servers: Server[] = [];

/** A server that keeps the headers of its requests by path, and answers as told. */
async function serve(answer: (path: string) => string | { status?: number; location: string }) {
  const seen: Record<string, IncomingHttpHeaders> = {};
  const listener: RequestListener = ({ url = '', headers }, response) => {
    seen[url] = headers;
    const what = answer(url);
    if (typeof what === 'string') response.writeHead(200).end(what);
    else response.writeHead(what.status ?? 302, { location: what.location }).end('elsewhere');
  };
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

const headers = { 'X-Api-Key': 'secret', authorization: 'Bearer secret', cookie: 'a=secret' };
const read = async (url: string) => {
  const bytes = await openHttpSource({ url, headers }).fetch('a/b', { maxBytes: 100 });
  return bytes && new TextDecoder().decode(bytes);
};

/** @returns whether a request had each of the program's headers */
const secretsIn = (seen: IncomingHttpHeaders | undefined) =>
  Object.keys(headers).filter((name) => seen?.[name.toLowerCase()] !== undefined);

test.each([301, 302, 303, 307, 308])(
  "a redirect (%i) to another origin gets none of the program's headers",
  async (status) => {
    const other = await serve(() => FILE);
    const first = await serve(() => ({ status, location: `${other.url}/there` }));
    expect(await read(first.url)).toBe(FILE);
    expect(secretsIn(first.seen['/a/b'])).toEqual(Object.keys(headers));
    expect(secretsIn(other.seen['/there'])).toEqual([]);
    expect(other.seen['/there']?.['accept-encoding']).toBe('identity');
  },
);

test("a download is resumed at another origin, without the program's headers", async () => {
  const other = await serve(() => FILE);
  const first = await serve(() => ({ location: `${other.url}/there` }));
  const { pieces } = await openHttpSource({ url: first.url, headers }).open('a/b', { offset: 3 });
  for await (const _ of pieces);
  expect(secretsIn(other.seen['/there'])).toEqual([]);
  expect(other.seen['/there']?.range).toBe('bytes=3-');
});

test('a redirect within the origin keeps the headers, and one back to it does not bring them back', async () => {
  const first: Awaited<ReturnType<typeof serve>> = await serve((path) =>
    path === '/a/b' ? { location: '../c' } : path === '/c' ? { location: `${other.url}/d` } : FILE,
  );
  const other = await serve(() => ({ location: `${first.url}/end` }));
  expect(await read(first.url)).toBe(FILE);
  expect(secretsIn(first.seen['/c'])).toEqual(Object.keys(headers));
  expect([secretsIn(other.seen['/d']), secretsIn(first.seen['/end'])]).toEqual([[], []]);
});

test('redirects in a circle, to no address, and out of the web end with `network`', async () => {
  for (const location of [
    '/a/b',
    'http://[',
    'file:///etc/passwd',
    'data:text/plain,x',
    'ftp://127.0.0.1/x',
  ]) {
    const { url } = await serve(() => ({ location }));
    expect([location, await codeOf(() => read(url))]).toEqual([location, 'network']);
  }
});

test('a redirect from https to http is refused', async () => {
  const other = await serve(() => FILE);
  // The runtime's fetch has no certificate for a server of this machine.
  const send: typeof fetch = async () => {
    const response = new Response(null, { status: 302, headers: { location: `${other.url}/there` } });
    return Object.defineProperty(response, 'url', { value: 'https://example.com/a/b' });
  };
  const source = openHttpSource({ url: 'https://example.com', fetch: send });
  const error = await errorOf(() => source.fetch('a/b', { maxBytes: 100 }));
  expect([error.code, error.message]).toEqual([
    'network',
    'Cannot fetch "a/b": the server redirects from https: to http:, which is refused',
  ]);
  expect(other.seen).toEqual({});
});
