import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { chromium } from 'playwright-core';
import { chromiumOptions } from '../browser/chromium.js';
import type { Engine, Material } from './engine.js';
import { BROWSERS, type BrowserName, openBrowser } from './open-browser.js';
import type { Proof } from './prove.js';

const STRICT = "default-src 'none'; script-src 'self'; connect-src 'self'; worker-src 'self'";

/** The page runs the program, and sends what came of it back. */
const RUN = `
(async () => {
  const cases = await (await fetch('all.json')).text();
  return JSON.stringify(await prove(cases));
})().catch((error) => JSON.stringify({ kit: [String(error) + error.stack] }))
  .then((body) => fetch('result', { method: 'POST', body }));`;

const WORKER = `
importScripts('prove.js');
writeInWorker().then(() => postMessage('ok'), (error) => postMessage(String(error)));`;

const page = (policy: string): string =>
  `<!doctype html><meta charset="utf-8">${policy}<body><script src="prove.js"></script><script src="run.js"></script>`;

/** How a browser opens an address; what is returned ends it. */
type Open = (address: string) => Promise<() => Promise<void>>;

export const BROWSER_ENGINES: readonly Engine[] = [
  { name: 'Chromium', needs: [], run: (material) => runPage(material, openChromium) },
  {
    name: "Chromium, `default-src 'none'`",
    needs: [],
    run: (material) => runPage(material, openChromium, { policy: STRICT }),
  },
  {
    name: 'Chromium, `http:` from another host',
    needs: [],
    run: (material) => runPage(material, openChromium, { host: 'kiosk.test' }),
  },
  ...(Object.keys(BROWSERS) as BrowserName[]).map((name) => ({
    name,
    needs: BROWSERS[name],
    run: (material: Material) => runPage(material, (address) => openBrowser(name, address)),
  })),
];

async function runPage(
  { folder }: Material,
  open: Open,
  { policy = '', host = '127.0.0.1' }: { policy?: string; host?: string } = {},
): Promise<Proof> {
  const meta = policy && `<meta http-equiv="Content-Security-Policy" content="${policy}">`;
  const pages: Record<string, string> = { '': page(meta), 'run.js': RUN, 'worker.js': WORKER };
  let settle: (result: string) => void;
  const result = new Promise<string>((resolve) => {
    settle = resolve;
  });
  const server = await serve(async (request, response) => {
    const path = (request.url as string).slice(1);
    if (path === 'result') settle(await text(request));
    const isKnown = path in pages || ['prove.js', 'all.json'].includes(path);
    const type = path === '' ? 'text/html' : 'text/javascript';
    response.writeHead(isKnown ? 200 : 404, { 'content-type': `${type}; charset=utf-8` });
    response.end(isKnown ? (pages[path] ?? readFileSync(join(folder, path))) : '');
  });
  const { port } = server.address() as AddressInfo;
  const close = await open(`http://${host}:${port}/`);
  try {
    return JSON.parse(await result) as Proof;
  } finally {
    await close();
    server.closeAllConnections();
    server.close();
  }
}

async function serve(
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<Server> {
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

const openChromium: Open = async (address) => {
  const { args, ...options } = chromiumOptions();
  const rules = '--host-resolver-rules=MAP kiosk.test 127.0.0.1';
  const browser = await chromium.launch({ ...options, args: [...args, rules] });
  await (await browser.newPage()).goto(address);
  return () => browser.close();
};
