// transformers.js and ONNX Runtime Web, as npm has them, in Chromium with the cache of this package.
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { bundleForBrowser } from '../browser/bundle.js';
import { launchChromium } from '../browser/chromium.js';
import { makeOnnxPair, type OnnxPair } from '../storage/onnx-pair.js';

const PACKAGES = join(import.meta.dirname, 'packages', 'node_modules');
const FOLDERS: Readonly<Record<string, string>> = {
  transformers: join(PACKAGES, '@huggingface', 'transformers', 'dist'),
  ort: join(PACKAGES, 'onnxruntime-web', 'dist'),
};
const TYPES: Readonly<Record<string, string>> = {
  '.mjs': 'text/javascript',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
  '.html': 'text/html',
};

/** What is served by path, and which paths were asked for. */
const files = new Map<string, Uint8Array | string>();
let asked: string[] = [];
let server: Server;
let origin: string;
let browser: Browser;

function contentOf(path: string): Uint8Array | string | undefined {
  const [first = '', ...rest] = path.split('/');
  const inFolder = FOLDERS[first] && join(FOLDERS[first], ...rest);
  return inFolder && existsSync(inFolder) ? readFileSync(inFolder) : files.get(path);
}

beforeAll(async () => {
  files.set('index.html', '<!doctype html><meta charset="utf-8"><script src="page.js"></script>');
  files.set('page.js', (await bundleForBrowser('../engines/cache-page.ts')).code);
  server = createServer(({ url }, response) => {
    const path = new URL(url as string, 'http://host').pathname.slice(1);
    asked.push(path);
    const content = contentOf(path);
    response.writeHead(content === undefined ? 404 : 200, { 'content-type': TYPES[extname(path)] ?? '' });
    response.end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  server?.close();
});
beforeEach(() => {
  asked = [];
});

/** Publishes a model and its update as repositories `base` and `next`. */
async function publish(isExternal: boolean): Promise<OnnxPair> {
  const pair = await makeOnnxPair('model.onnx', isExternal);
  for (const [name, model] of Object.entries({ base: pair.base, next: pair.next })) {
    const root = `hub/test/${name}-${isExternal}/resolve/main`;
    files.set(`${root}/config.json`, JSON.stringify({ model_type: 'bert', architectures: ['BertModel'] }));
    for (const [file, bytes] of model) files.set(`${root}/onnx/${file}`, bytes);
  }
  files.set('update.ndiff', pair.payload);
  return pair;
}

async function visit(context: Awaited<ReturnType<Browser['newContext']>>, database: string): Promise<Page> {
  const page = await context.newPage();
  page.on('pageerror', (error) => expect.fail(error.message));
  await page.goto(`${origin}/index.html`);
  await call(page, 'open', database);
  return page;
}

function call<T>(page: Page, name: string, ...values: readonly unknown[]): Promise<T> {
  return page.evaluate<T>(`device.${name}(${values.map((value) => JSON.stringify(value)).join(', ')})`);
}

/** @returns the files of models that were asked for since */
function downloads(): string[] {
  const found = asked.filter((path) => path.startsWith('hub/'));
  asked = [];
  return found.map((path) => path.slice(path.lastIndexOf('/') + 1)).sort();
}

test.each([false, true])(
  'a page of transformers.js downloads a model once, and updates it by a payload (external data: %s)',
  async (isExternal) => {
    const { base } = await publish(isExternal);
    const context = await browser.newContext();
    const repository = `test/base-${isExternal}`;
    const main = `${origin}/hub/${repository}/resolve/main/onnx/model.onnx`;
    const first = await visit(context, 'transformers');
    const before = await call<number[]>(first, 'classify', repository, isExternal);
    expect(downloads()).toEqual(['config.json', ...base.keys()].sort());
    await first.close();

    const second = await visit(context, 'transformers');
    expect(await call(second, 'classify', repository, isExternal)).toEqual(before);
    await call(second, 'update', main, `${origin}/update.ndiff`);
    const after = await call<number[]>(second, 'classify', repository, isExternal);
    await second.close();
    const third = await visit(context, 'transformers');
    expect(await call(third, 'classify', repository, isExternal)).toEqual(after);
    expect(downloads()).toEqual([]);

    expect(await call(third, 'classify', `test/next-${isExternal}`, isExternal)).toEqual(after);
    expect(downloads().length).toBeGreaterThan(0);
    expect(after).not.toEqual(before);
    await context.close();
  },
);

test('a page of ONNX Runtime Web updates a model with external data', async () => {
  await publish(true);
  const context = await browser.newContext();
  const addressOf = (name: string) => `${origin}/hub/test/${name}-true/resolve/main/onnx/model.onnx`;
  const first = await visit(context, 'runtime');
  const before = await call<number[]>(first, 'run', addressOf('base'), true);
  expect(downloads()).toEqual(['model.onnx', 'model.onnx_data']);
  await call(first, 'update', addressOf('base'), `${origin}/update.ndiff`);
  const after = await call<number[]>(first, 'run', addressOf('base'), true);
  await first.close();
  const second = await visit(context, 'runtime');
  expect(await call(second, 'run', addressOf('base'), true)).toEqual(after);
  expect(downloads()).toEqual([]);
  expect(await call(second, 'run', addressOf('next'), false)).toEqual(after);
  expect(await call(second, 'run', addressOf('base'), false)).toEqual(before);
  expect(after).not.toEqual(before);
  await context.close();
});
