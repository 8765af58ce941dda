import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryStore } from '../../src/model/store.js';
import { bundleForBrowser } from './bundle.js';
import { chromiumOptions, type Realm, startWorker } from './chromium.js';
import { type FileServer, serveFiles } from './file-server.js';
import type { DiskKind, DiskName, Names } from './keep-model.js';
import { createBase, createPayloads, deviceFiles } from './samples.js';

export const KINDS: readonly DiskKind[] = ['files', 'database'];
export const REALMS = ['page', 'worker'] as const;

let disks = 0;
let origins = 0;

/** A name of this machine that browsers do not take for it. */
export const INSECURE_HOST = 'insecure.test';

/** Where the code runs that uses a disk. */
export type RealmName = (typeof REALMS)[number];

/** A Chromium with a profile on the machine's disk, a model and an update of it. */
export interface StorageSession {
  readonly context: BrowserContext;
  readonly origin: string;
  readonly names: Names;
  /** Where the update is. */
  readonly payload: string;
  /** @returns another origin of the same server */
  newOrigin(): string;
  /** Limits what an origin may keep, to some bytes. */
  limit(origin: string, quotaSize: number): Promise<void>;
  /** @returns a new tab, or a worker of one, that has loaded `keep-model.ts` */
  open(realm: RealmName, origin?: string): Promise<{ page: Page; realm: Realm }>;
}

/** Starts the session before a suite's tests and ends it after. */
export function useStorage(): StorageSession {
  const profile = mkdtempSync(join(tmpdir(), 'neural-diff-profile-'));
  let server: FileServer;
  let context: BrowserContext;
  let names: Names;
  beforeAll(async () => {
    const base = createBase();
    const payloads = await createPayloads(base);
    names = {
      base: await fingerprint(openMemoryStore(base)),
      next: payloads.get('stacked.ndiff')?.next as string,
    };
    const { code } = await bundleForBrowser('keep-model.ts');
    const html = '<!doctype html><meta charset="utf-8"><script src="device.js"></script>';
    const files = deviceFiles(base, payloads);
    server = await serveFiles(
      new Map<string, Uint8Array | string>([['index.html', html], ['device.js', code], ...files]),
    );
    const { executablePath, args } = chromiumOptions();
    const insecure = `--host-resolver-rules=MAP ${INSECURE_HOST} 127.0.0.1`;
    context = await chromium.launchPersistentContext(profile, { executablePath, args: [...args, insecure] });
  });
  afterAll(async () => {
    await context?.close();
    await server?.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  });
  return {
    get context() {
      return context;
    },
    get origin() {
      return server.origin;
    },
    get names() {
      return names;
    },
    get payload() {
      return `${server.origin}/stacked.ndiff`;
    },
    newOrigin: () => server.origin.replace('127.0.0.1', `origin${origins++}.localhost`),
    async limit(origin, quotaSize) {
      const [page] = context.pages();
      const browser = await context.newCDPSession(page as Page);
      await browser.send('Storage.overrideQuotaForOrigin', { origin, quotaSize });
    },
    async open(realm, origin = server.origin) {
      const page = await context.newPage();
      await page.goto(`${origin}/index.html`);
      return { page, realm: realm === 'page' ? page : await startWorker(page, 'device.js') };
    },
  };
}

/** Calls a function of `keep-model.ts` where it was loaded. */
export function call<T>(realm: Realm, name: string, ...values: readonly unknown[]): Promise<T> {
  const target: Pick<Page, 'evaluate'> = realm;
  return target.evaluate<T>(`device.${name}(${values.map((value) => JSON.stringify(value)).join(', ')})`);
}

/** @returns the name of a disk that nothing else uses */
export function newDisk(kind: DiskKind): DiskName {
  return { kind, name: `disk${disks++}` };
}
