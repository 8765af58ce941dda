import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import type { Bundle } from './bundle.js';
import { launchChromium } from './chromium.js';
import { type FileServer, serveFiles } from './file-server.js';

/** A page of Chromium that has loaded a script, and the server that both came from. */
export interface Session {
  readonly server: FileServer;
  readonly page: Page;
}

/**
 * Serves a script and the files that it asks for before a suite's tests, opens them in Chromium, and ends
 * both after.
 *
 * @param prepare makes the script, which is served as `device.js`, and the files by path
 * @returns the session, there once the tests run
 */
export function useChromium(
  prepare: () => Promise<{ bundle: Bundle; files: Iterable<[string, Uint8Array | string]> }>,
): Session {
  let server: FileServer | undefined;
  let browser: Browser | undefined;
  let page: Page | undefined;
  beforeAll(async () => {
    const { bundle, files } = await prepare();
    const html = '<!doctype html><meta charset="utf-8"><script src="device.js"></script>';
    server = await serveFiles(new Map([['index.html', html], ['device.js', bundle.code], ...files]));
    browser = await launchChromium();
    page = await browser.newPage();
    await page.goto(`${server.origin}/index.html`);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });
  return {
    get server() {
      return server as FileServer;
    },
    get page() {
      return page as Page;
    },
  };
}
