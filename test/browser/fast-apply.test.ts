import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundleForBrowser } from './bundle.js';
import { launchChromium, type Realm, startWorker } from './chromium.js';
import { type FileServer, serveFiles } from './file-server.js';
import { type FastOutcome, patchFast } from './patch-fast.js';
import { createBase, createPayloads, DIFFS, toFolder } from './samples.js';

const base = createBase();
const payloads = await createPayloads(base);
const bundle = await bundleForBrowser('patch-fast.ts');

let server: FileServer;
let browser: Browser;
const realms = new Map<string, Realm>();

beforeAll(async () => {
  const files = new Map<string, Uint8Array | string>([
    ['index.html', '<!doctype html><meta charset="utf-8"><script src="device.js"></script>'],
    ['device.js', bundle.code],
  ]);
  for (const [path, bytes] of toFolder(base, 500_001)) files.set(`model/${path}`, bytes);
  for (const [path, { bytes }] of payloads) files.set(path, bytes);
  server = await serveFiles(files);
  browser = await launchChromium();
  const page = await browser.newPage();
  await page.goto(`${server.origin}/index.html`);
  realms.set('page', page).set('worker', await startWorker(page, 'device.js'));
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

describe.each(['page', 'worker'])('createPatcher() in a %s of Chromium', (name) => {
  test.each(Object.keys(DIFFS))('is fast and gives the promised model with a %s payload', async (kind) => {
    const realm: Pick<Page, 'evaluate'> = realms.get(name) as Realm;
    const call = `device.patchFast(${JSON.stringify(server.origin)}, ${JSON.stringify(`${kind}.ndiff`)})`;
    const outcome = await realm.evaluate<FastOutcome>(call);
    const next = payloads.get(`${kind}.ndiff`)?.next as string;
    expect(outcome).toEqual({ isFast: true, status: 'applied', fingerprint: next });
    expect(outcome).toEqual(await patchFast(server.origin, `${kind}.ndiff`));
  });
});
