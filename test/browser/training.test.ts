import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleForBrowser, wasmProgram } from './bundle.js';
import { launchChromium } from './chromium.js';
import { type FileServer, serveFiles } from './file-server.js';
import { type TrainedInPage, trainInPage } from './train-in-page.js';

let server: FileServer;
let browser: Browser;

beforeAll(async () => {
  const files = new Map<string, Uint8Array | string>([
    ['index.html', '<!doctype html><meta charset="utf-8"><script src="device.js"></script>'],
    ['device.js', (await bundleForBrowser('train-in-page.ts')).code],
    ['tfjs-backend-wasm-simd.wasm', wasmProgram('tfjs-backend-wasm-simd.wasm')],
  ]);
  server = await serveFiles(files);
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

test('training in a page of Chromium gives the payloads, byte for byte, of training in Node', async () => {
  const page = await browser.newPage();
  await page.goto(`${server.origin}/index.html`);
  const inPage = await page.evaluate<TrainedInPage>('device.trainInPage()');
  expect(inPage.kernels).toEqual(['NeuralDiffGru']);
  expect(inPage.hash.length).toBeGreaterThan(500);
  expect(inPage).toEqual(await trainInPage());
});
