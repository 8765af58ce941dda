import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { saveModel } from '../../examples/common/train-base.js';
import { type FolderServer, serveFolder } from '../../examples/device-server/serve-folder.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryStore } from '../../src/model/store.js';
import { createSmallModel, setModel, smallWeights } from '../examples/streaming-keywords/small-model.js';
import { pack, seededFloats } from '../support.js';
import { chromiumOptions } from './chromium.js';

const SITE = join(import.meta.dirname, '..', '..', 'dist', 'examples', 'streaming-keywords', 'site.js');
const SECONDS = 6;
const folder = mkdtempSync(join(tmpdir(), 'neural-diff-streaming-'));
let site: string;
let server: FolderServer;
let browser: Browser;

/** The network hears its first word in everything, and after the update its second one. */
async function publish(): Promise<string> {
  await tf.setBackend('cpu');
  const raise = (position: number, level: number) =>
    ({
      kind: 'sparse',
      tensor: 'words/output/bias',
      positions: Uint32Array.of(position),
      levels: Int16Array.of(level),
      scale: 1,
    }) as const;
  const { next: base } = await pack(await smallWeights(), { ops: [raise(1, 20)] });
  const { payload, next } = await pack(base, { ops: [raise(2, 40)] });
  const model = createSmallModel();
  await setModel(model, base);
  await saveModel(model, join(folder, 'base'));
  model.dispose();
  // Pages are bundled from the build.
  const built = (await import(SITE)) as typeof import('../../examples/streaming-keywords/site.js');
  const samples = seededFloats(1, SECONDS * 16_000).map((x) => x / 10);
  const content = { payload, next: await fingerprint(openMemoryStore(next)), threshold: 0.5, samples };
  return built.publishSite(folder, { ...content, base: join(folder, 'base') });
}

beforeAll(async () => {
  site = await publish();
  server = await serveFolder(site);
  const { executablePath, args } = chromiumOptions();
  const fakes = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];
  browser = await chromium.launch({ executablePath, args: [...args, ...fakes] });
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function openPage(width = 1100): Promise<Page> {
  const page = await browser.newPage({ viewport: { width, height: 844 } });
  page.on('pageerror', (error) => expect.fail(error.message));
  page.on('request', (request) => expect(request.url()).toMatch(new RegExp(`^(blob:)?${server.url}`)));
  await page.goto(server.url);
  await page.locator('#sample:enabled').waitFor();
  return page;
}

const numberOf = async (page: Page, id: string): Promise<number> =>
  Number(await page.locator(`#${id}`).textContent());

const press = (page: Page, name: string): Promise<void> =>
  page.getByRole('button', { name, exact: true }).click();

/** Waits until so many frames are processed. */
async function heard(page: Page, frames: number): Promise<void> {
  await page.waitForFunction((least) => {
    return Number(document.getElementById('processed')?.textContent) >= least;
  }, frames);
}

async function expectNoneDropped(page: Page): Promise<void> {
  expect(await numberOf(page, 'processed')).toBe(await numberOf(page, 'received'));
  expect(await numberOf(page, 'dropped')).toBe(0);
}

test('a file is recognised, and the model updated meanwhile without a dropped frame', async () => {
  const page = await openPage();
  await page.getByLabel('Audio file').setInputFiles(join(site, 'sample.wav'));
  await page.getByText('sample.wav is heard.').waitFor();
  await heard(page, 20);
  const before = await page.locator('#words li').allTextContents();
  await press(page, 'Update');
  await page.getByText(/^Updated with \d+ bytes/).waitFor();
  const atUpdate = await numberOf(page, 'processed');
  await page.getByText('sample.wav is over.').waitFor();
  await page.waitForTimeout(200);
  expect(before).toEqual(['yes']);
  expect(await page.locator('#words li').allTextContents()).toEqual(['yes', 'no']);
  expect(await page.locator('#words li.new').allTextContents()).toEqual(['no']);
  expect(atUpdate).toBeLessThan(await numberOf(page, 'processed'));
  // The last piece may not reach the page before the sound ends.
  expect(await numberOf(page, 'received')).toBeGreaterThanOrEqual(SECONDS * 25 - 3);
  expect(await numberOf(page, 'updates')).toBe(1);
  await expectNoneDropped(page);
  await press(page, 'Update');
  await page.getByText('The model is the newest one.').waitFor();
  await page.close();
});

test('an update that fails leaves the model and the sound as they were', async () => {
  const page = await openPage();
  await page.route('**/releases/metadata/*', (route) => route.fulfill({ status: 404 }));
  await press(page, 'Play the sample');
  await heard(page, 5);
  await press(page, 'Update');
  await page.getByText(/^No update: |cannot be reached/).waitFor();
  await heard(page, (await numberOf(page, 'processed')) + 10);
  await press(page, 'Stop');
  await page.getByText('The sample is over.').waitFor();
  await page.waitForTimeout(200);
  expect(await page.locator('#words li').allTextContents()).toEqual(['yes']);
  expect(await numberOf(page, 'updates')).toBe(0);
  await expectNoneDropped(page);
  await page.close();
});

test('the microphone is heard until it is stopped', async () => {
  const page = await openPage();
  await press(page, 'Use the microphone');
  await heard(page, 15);
  await press(page, 'Stop');
  await page.getByText('The microphone is over.').waitFor();
  await page.waitForTimeout(200);
  await expectNoneDropped(page);
  await page.close();
});

test.each([1100, 390])('the page fits a screen of %i points', async (width) => {
  const page = await openPage(width);
  await press(page, 'Play the sample');
  await heard(page, 5);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
  await page.close();
});

test('neither page nor worker has TensorFlow.js', () => {
  const scripts = readdirSync(site).filter((name) => name.endsWith('.js'));
  expect(scripts.sort()).toEqual(['page.js', 'tap.js', 'worker.js']);
  for (const name of scripts) {
    expect(statSync(join(site, name)).size).toBeLessThan(300_000);
    expect(readFileSync(join(site, name), 'utf8')).not.toMatch(/tensorflow|tfjs/i);
  }
});
