import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
import { makeGolden, predict } from '../../examples/common/golden.js';
import { saveModel } from '../../examples/common/train-base.js';
import { beginRepository, makeKeys, release } from '../../examples/device-server/publish-update.js';
import { type FolderServer, serveFolder } from '../../examples/device-server/serve-folder.js';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryStore } from '../../src/model/store.js';
import { packDiff } from '../../src/payload/encode.js';
import { openRepositoryFolder } from '../../src/publish/files.js';
import { openLiveModel } from '../../src/tfjs/live-store.js';
import { copyWeights, namedWeights } from '../../src/tfjs/weights.js';
import { createRandom } from '../support.js';
import { bundleForBrowser } from './bundle.js';
import { launchChromium } from './chromium.js';
import type { Followed, Seen } from './follow-releases.js';

/** A model as it is known outside of the browser. */
export interface Known {
  readonly fingerprint: string;
  /** What it predicts in Node. */
  readonly outputs: readonly number[];
}

/** A server with a model and a release, and a browser that keeps the model. */
export interface UpdateSession {
  readonly base: Known;
  readonly next: Known;
  readonly context: BrowserContext;
  /** @returns what a page is to follow, with a database that nothing else uses */
  follow(): Followed;
  /** Opens a model in a new tab. */
  open(followed: Followed): Promise<{ page: Page; seen: Seen }>;
}

/** How large the model of a session is. */
interface ModelSize {
  readonly inputs: number;
  readonly units: number;
}

const SMALL: ModelSize = { inputs: 256, units: 512 };

/** @returns a network whose outputs have the same bits in every JavaScript engine: it has no exponentials */
function createModel({ inputs, units }: ModelSize): tf.LayersModel {
  const seeded = (seed: number) => tf.initializers.heNormal({ seed });
  const hidden = { units, activation: 'relu', name: 'hidden' } as const;
  return tf.sequential({
    layers: [
      tf.layers.dense({ ...hidden, inputShape: [inputs], kernelInitializer: seeded(1) }),
      tf.layers.dense({ units: 8, name: 'outputs', kernelInitializer: seeded(2) }),
    ],
  });
}

/**
 * Writes a site with a model, an update of it, and the page's script. @returns what is known of both models
 */
async function makeSite(
  folder: string,
  size: ModelSize,
): Promise<{ base: Known; next: Known; root: string; input: readonly number[] }> {
  await tf.setBackend('cpu');
  const site = join(folder, 'site');
  mkdirSync(site);
  const model = createModel(size);
  const input = Array.from({ length: size.inputs }, (_, i) => Math.sin(i));
  const know = async (): Promise<Known> => ({
    fingerprint: await fingerprint(openMemoryStore(await copyWeights(namedWeights(model)))),
    outputs: predict(model, input),
  });
  await saveModel(model, join(site, 'base'));
  const base = await know();
  const random = createRandom(9);
  const positions = Uint32Array.from({ length: 2_000 }, (_, i) => i * 65 + (random() % 65));
  const levels = Int16Array.from(positions, () => 1 + (random() % 7));
  const op = { kind: 'sparse', tensor: 'hidden/kernel', scale: 0.0625, positions, levels } as const;
  const { payload } = await packDiff(await copyWeights(namedWeights(model)), { ops: [op] });
  await applyPayload(openLiveModel(model), payload);
  const next = await know();
  const keys = await makeKeys(join(folder, 'keys'));
  const root = await beginRepository(join(site, 'releases'), keys);
  await release(openRepositoryFolder(join(site, 'releases')), keys, {
    model: join(site, 'base'),
    name: 'v1.ndiff',
    bytes: payload,
    counter: 1,
    golden: { name: 'v1.golden.json', bytes: makeGolden(model, [input]) },
  });
  model.dispose();
  await writePages(site);
  writeFileSync(join(site, 'root.json'), root);
  return { base, next, root: new TextDecoder().decode(root), input };
}

/** Writes the page of `follow-releases.ts`, and that of `connect-worker.ts` with its worker. */
async function writePages(site: string): Promise<void> {
  const scripts = {
    'device.js': 'follow-releases.ts',
    'connect.js': 'connect-worker.ts',
    'worker.js': 'update-worker.ts',
  };
  for (const [name, module] of Object.entries(scripts))
    writeFileSync(join(site, name), (await bundleForBrowser(module)).code);
  for (const [name, script] of Object.entries({ 'index.html': 'device.js', 'connect.html': 'connect.js' }))
    writeFileSync(join(site, name), `<!doctype html><meta charset="utf-8"><script src="${script}"></script>`);
}

/** Starts the session before a suite's tests and ends it after. */
export function useUpdates(size = SMALL): UpdateSession {
  const folder = mkdtempSync(join(tmpdir(), 'neural-diff-updates-'));
  let made: Awaited<ReturnType<typeof makeSite>>;
  let server: FolderServer;
  let browser: Browser;
  let context: BrowserContext;
  let databases = 0;
  beforeAll(async () => {
    made = await makeSite(folder, size);
    server = await serveFolder(join(folder, 'site'));
    browser = await launchChromium();
    context = await browser.newContext();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    get base() {
      return made.base;
    },
    get next() {
      return made.next;
    },
    get context() {
      return context;
    },
    follow: () => ({
      database: `model${databases++}`,
      origin: server.url,
      root: made.root,
      input: made.input,
    }),
    async open(followed) {
      const page = await context.newPage();
      await page.goto(server.url);
      return { page, seen: await call<Seen>(page, 'open', followed) };
    },
  };
}

/** Calls a function of `follow-releases.ts`. */
export function call<T>(page: Page, name: string, ...values: readonly unknown[]): Promise<T> {
  return page.evaluate<T>(`device.${name}(${values.map((value) => JSON.stringify(value)).join(', ')})`);
}

/**
 * Updates models in pages that are reloaded at some moment. Afterwards each must be base or next, with the
 * predictions of that one, and a further update must reach next.
 *
 * @returns how often a model was which after the reload
 */
export async function reloadUpdates(
  session: UpdateSession,
  { times, seed }: { times: number; seed: number },
): Promise<{ base: number; next: number }> {
  const { base, next } = session;
  const random = createRandom(seed);
  const found = { base: 0, next: 0 };
  const { page } = await session.open(session.follow());
  await call(page, 'begin');
  const longest = 1.1 * (await call<number>(page, 'end'));
  for (let i = 0; i < times; i++) {
    const followed = session.follow();
    await call(page, 'open', followed);
    await call(page, 'begin');
    await setTimeout((random() / 2 ** 32) * longest);
    await page.reload();
    const seen = await call<Seen>(page, 'open', followed);
    const isNext = seen.fingerprint === next.fingerprint;
    expect(seen).toMatchObject({ ...(isNext ? next : base), bad: [] });
    if (!isNext) expect(seen).toMatchObject({ status: 'settled', counter: 0 });
    found[isNext ? 'next' : 'base']++;
    if (!isNext) expect(await call(page, 'act', 'update')).toBe('updated');
    await call(page, 'act', 'confirm');
    expect(await call(page, 'look')).toEqual({ ...next, status: 'settled', counter: 1, bad: [] });
  }
  await page.close();
  return found;
}
