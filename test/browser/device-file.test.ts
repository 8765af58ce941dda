import { createHash } from 'node:crypto';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleDeviceFile } from '../../scripts/device-file.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryStore } from '../../src/model/store.js';
import { launchChromium } from './chromium.js';
import { type FileServer, serveFiles } from './file-server.js';
import { createBase, createPayloads, DIFFS, deviceFiles } from './samples.js';

const base = createBase();
const payloads = await createPayloads(base);
const [kind] = Object.keys(DIFFS) as [string];
const { bytes, integrity } = await bundleDeviceFile();

/** A page as people write it by hand: one script tag, no bundler. */
const PAGE = `<!doctype html><meta charset="utf-8">
<script type="module" src="neural-diff-device.min.js" integrity="${integrity}"></script>
<script type="module">
  import { applyPayload, openLayersStore, openMemoryFiles } from './neural-diff-device.min.js';
  const fetchBytes = async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer());
  const names = ['model.json', ...(await (await fetch('shards.json')).json())];
  const files = openMemoryFiles(new Map(await Promise.all(names.map(async (n) => [n, await fetchBytes('model/' + n)]))));
  const store = await openLayersStore(files);
  document.title = (await applyPayload(store, await fetchBytes('payload.ndiff'))).fingerprint;
</script>`;

let server: FileServer;
let browser: Browser;

beforeAll(async () => {
  const files = new Map(deviceFiles(base, payloads));
  const shards = [...files.keys()]
    .filter((name) => name.endsWith('.bin'))
    .map((name) => name.slice('model/'.length));
  files.set('index.html', new TextEncoder().encode(PAGE));
  files.set('shards.json', new TextEncoder().encode(JSON.stringify(shards)));
  files.set('neural-diff-device.min.js', bytes);
  files.set('payload.ndiff', payloads.get(`${kind}.ndiff`)?.bytes as Uint8Array);
  server = await serveFiles(files);
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

test('a page without a bundler patches a model with the device file, checked by its digest', async () => {
  expect(integrity).toBe(`sha384-${createHash('sha384').update(bytes).digest('base64')}`);
  const page = await browser.newPage();
  const failures: string[] = [];
  page.on('pageerror', ({ message }) => void failures.push(message));
  await page.goto(`${server.origin}/index.html`);
  await page.waitForFunction('document.title !== ""');
  expect(failures).toEqual([]);
  expect(await page.title()).toBe(payloads.get(`${kind}.ndiff`)?.next);
  expect(await page.title()).not.toBe(await fingerprint(openMemoryStore(base)));
});
