import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { kitCases } from '../engines/kit-cases.js';
import { bundleForBrowser } from './bundle.js';
import { chromiumOptions } from './chromium.js';
import { type FileServer, serveFiles } from './file-server.js';

let browser: Browser;
let server: FileServer;

/** Bytes become text in base64, which the script of the page reads. */
const plain = (value: unknown): string =>
  JSON.stringify(value, (_, each) =>
    each instanceof Uint8Array ? { base64: Buffer.from(each).toString('base64') } : each,
  );

const READ = `
const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const CASES = JSON.parse(TEXT, (_, each) => (typeof each?.base64 === 'string' ? bytesOf(each.base64) : each));
const show = (result) => {
  const element = document.createElement('pre');
  element.textContent = JSON.stringify(result);
  document.body.append(element);
};
device.runKit(CASES).then(
  (failed) => show({ count: CASES.length, found: device.capabilities(), failed }),
  (error) => show({ failed: [String(error.stack)] }),
);`;

const pageOf = (policy: string): string =>
  `<!doctype html><meta charset="utf-8">${policy}<body><script src="kit.js"></script><script src="run.js"></script>`;

beforeAll(async () => {
  const policy = `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self'">`;
  const { code } = await bundleForBrowser('../engines/kit.ts');
  server = await serveFiles(
    new Map([
      ['plain.html', pageOf('')],
      ['strict.html', pageOf(policy)],
      ['kit.js', code],
      ['run.js', `const TEXT = ${JSON.stringify(plain(kitCases()))};${READ}`],
    ]),
  );
  const { args, ...options } = chromiumOptions();
  const rules = '--host-resolver-rules=MAP kiosk.test 127.0.0.1';
  browser = await chromium.launch({ ...options, args: [...args, rules] });
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

test.each([
  ['on a page', 'plain.html', '127.0.0.1', { webAssembly: true, webCrypto: true }],
  [
    'under a policy without wasm-unsafe-eval',
    'strict.html',
    '127.0.0.1',
    { webAssembly: false, webCrypto: true },
  ],
  ['on a page from http:', 'plain.html', 'kiosk.test', { webAssembly: true, webCrypto: false }],
])('the conformance kit passes %s', async (_, path, host, expected) => {
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(`${server.origin.replace('127.0.0.1', host)}/${path}`);
  // A function that waits would be evaluated from text, which the policy forbids.
  const { count, found, failed } = JSON.parse(await page.locator('pre').innerText({ timeout: 100_000 }));
  expect([failed, errors]).toEqual([[], []]);
  expect(found).toEqual(expected);
  expect(count).toBeGreaterThan(80);
  await page.close();
});
