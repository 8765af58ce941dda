import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleForBrowser } from './bundle.js';
import { useChromium } from './session.js';
import { call } from './update-session.js';

const session = useChromium(async () => ({
  bundle: await bundleForBrowser('follow-releases.ts'),
  files: [],
}));
let server: Server;
let url: string;
let answers = 0;

/**
 * A server of another origin, as plain as many are: it says when files were changed, and nothing about
 * caches.
 */
beforeAll(async () => {
  server = createServer(({ headers, method, url: path }, response) => {
    const shared = {
      'access-control-allow-origin': '*',
      'access-control-allow-headers': '*',
      'last-modified': 'Wed, 01 Jan 2020 00:00:00 GMT',
    };
    if (method === 'OPTIONS') return void response.writeHead(204, shared).end();
    if (path === '/redirect') return void response.writeHead(302, { ...shared, location: '/there' }).end();
    const text = `answer ${++answers}`;
    if (headers.range === undefined) return void response.writeHead(200, shared).end(text);
    const from = Number(/(\d+)/.exec(headers.range)?.[1]);
    const range = { 'content-range': `bytes ${from}-${text.length - 1}/${text.length}` };
    response.writeHead(206, { ...shared, ...range }).end(text.slice(from));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  server.closeAllConnections();
});

test("a timestamp is never the browser's old copy", async () => {
  const texts = await call(session.page, 'fetchTwice', url, 'metadata/timestamp.json');
  expect(texts).toEqual(['answer 1', 'answer 2']);
});

test('a download goes on from another origin, which hides where its parts begin', async () => {
  expect(await call(session.page, 'fetchRest', url, 'targets/a', 7)).toEqual([7, '3']);
});

test('a redirect is followed by the browser without headers, and refused with them', async () => {
  expect(await call(session.page, 'fetchWith', url, {})).toMatch(/^answer/);
  expect(await call(session.page, 'fetchWith', url, { 'x-api-key': 'secret' })).toMatch(
    /^network: .*a browser would send `headers`/,
  );
});
