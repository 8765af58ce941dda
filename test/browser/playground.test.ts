import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Locator, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryStore } from '../../src/model/store.js';
import { writeSafetensors } from '../containers/write-safetensors.js';
import { createRandom, pack, seededTensor } from '../support.js';
import { chromiumOptions, launchChromium } from './chromium.js';

const ROOT = join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(join(tmpdir(), 'neural-diff-playground-'));
const address = pathToFileURL(join(folder, 'page', 'index.html')).href;
let browser: Browser;

beforeAll(async () => {
  const bundle = join(ROOT, 'dist', 'examples', 'playground', 'bundle.js');
  execFileSync(process.execPath, [bundle, join(folder, 'page')], { stdio: 'ignore' });
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

const press = (page: Page | Locator, name: string): Promise<void> =>
  page.getByRole('button', { name, exact: true }).click();

async function openPage(): Promise<Page> {
  const page = await browser.newPage();
  page.on('pageerror', (error) => expect.fail(error.message));
  page.on('request', (request) => expect(request.url()).toMatch(/^(file|blob|data):/));
  await page.goto(address);
  return page;
}

/** @returns the cells of a table's rows by its caption */
async function rowsOf(page: Page, caption: RegExp): Promise<string[][]> {
  const table = page.getByRole('table', { name: caption });
  await table.waitFor();
  const rows = await table.locator('tbody tr').all();
  return Promise.all(rows.map((row) => row.locator('th, td').allTextContents()));
}

async function choose(page: Page, label: string, paths: string | string[]): Promise<void> {
  await page.getByLabel(label).setInputFiles(paths);
}

const BASE = 'The model on devices';
const NEXT = 'The next model, or a payload';

/** @returns the problem that the page tells of */
async function problemOf(page: Page): Promise<string> {
  return (await page.locator('.problem').first().textContent({ timeout: 20_000 })) as string;
}

/** Clicks what begins a download. @returns its bytes */
async function download(page: Page, name: RegExp): Promise<Uint8Array> {
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name }).first().click(),
  ]);
  const path = join(folder, 'downloaded');
  await file.saveAs(path);
  return readFileSync(path);
}

test('two sample models are compared, the payload is applied, and both answer examples', async () => {
  const page = await openPage();
  await press(page, 'Two models');
  await press(page, 'Compare');
  const sizes = await rowsOf(page, /What an update would take/);
  expect(sizes.map(([name]) => name)).toEqual(
    expect.arrayContaining(['Whole model', 'Whole model, gzip', 'This payload, lossless']),
  );
  const bytes = sizes.map(([, text = '']) => Number(text.replaceAll(',', '')));
  expect(bytes.at(-1)).toBe(Math.min(...bytes));
  expect((await download(page, /Download the payload/)).length).toBe(bytes.at(-1));
  expect((await rowsOf(page, /What changed/)).length).toBe(8);
  await press(page, 'Apply it to a copy');
  await page.getByText('has the fingerprint that the payload states').waitFor();
  await press(page, 'Run examples through both');
  const answers = await rowsOf(page, /The same examples/);
  expect(answers.map(([name]) => name)).toEqual(['frame', 'cross', 'disc', 'checks']);
  for (const [name = '', , next] of answers) expect(next).toContain(name);
  expect(answers.filter(([name = '', base]) => !base?.includes(name)).length).toBeGreaterThan(0);
  await page.close();
});

test('a payload is applied to files that a person chooses, and the patched model is the next one', async () => {
  const model = {
    tensors: [seededTensor('a/kernel', 'float32', [40, 64]), seededTensor('b', 'float16', [600])],
  };
  const positions = Uint32Array.of(1, 1_100, 2_559);
  const levels = Int16Array.of(3, -1, 5);
  const op = { kind: 'sparse', tensor: 'a/kernel', scale: 0.25, positions, levels } as const;
  const { payload, next } = await pack(model, { ops: [op] });
  const names = { base: 'base.safetensors', payload: 'v2.ndiff', other: 'other.safetensors' };
  writeFileSync(join(folder, names.base), writeSafetensors(model));
  writeFileSync(join(folder, names.payload), payload);
  writeFileSync(join(folder, names.other), writeSafetensors(next));
  const page = await openPage();
  await choose(page, BASE, join(folder, names.base));
  await choose(page, NEXT, join(folder, names.payload));
  await press(page, 'Compare');
  expect((await rowsOf(page, /What changed/))[0]?.slice(0, 4)).toEqual([
    'a/kernel',
    'float32',
    '40 × 64',
    '3',
  ]);
  const patched = await download(page, /Download the patched model/);
  expect(Buffer.compare(patched, writeSafetensors(next))).toBe(0);
  await choose(page, BASE, join(folder, names.other));
  await press(page, 'Compare');
  // The model is the next one already.
  expect((await rowsOf(page, /What changed/))[0]?.[3]).toBe('0');
  await choose(page, BASE, join(folder, 'page', 'style.css'));
  await press(page, 'Compare');
  expect(await problemOf(page)).toMatch(/^Cannot open model "style.css": expected safetensors/);
  await page.close();
});

test('models with other tensors give a payload that makes the files', async () => {
  const model = { tensors: [seededTensor('a', 'float32', [40, 64]), seededTensor('b', 'float32', [60])] };
  const next = { tensors: [...model.tensors, seededTensor('c', 'float32', [30], 7)] };
  const [first, second] = [join(folder, 'first.safetensors'), join(folder, 'second.safetensors')];
  writeFileSync(first, writeSafetensors(model));
  writeFileSync(second, writeSafetensors(next));
  const page = await openPage();
  await choose(page, BASE, first);
  await choose(page, NEXT, second);
  await press(page, 'Compare');
  await page.getByText('Only in the next model: c.').waitFor();
  await press(page, 'Apply it to a copy');
  await page.getByText('has the fingerprint that the payload states').waitFor();
  const made = await download(page, /Download the patched model/);
  expect(Buffer.compare(made, writeSafetensors(next))).toBe(0);
  await page.close();
});

test('training in the page gives the bytes of Node.js, and its payload is applied', async () => {
  const page = await openPage();
  const labels = await page.locator('option').allTextContents();
  const labelOf = (start: string) => labels.find((label) => label.startsWith(start)) as string;
  for (const [task, kind] of [
    ['Pictures', 'Hashed'],
    ['Melodies', 'Sparse'],
  ] as const) {
    await page.getByLabel('Task').selectOption({ label: labelOf(task) });
    await page.getByLabel('Kind').selectOption({ label: labelOf(kind) });
    await press(page, 'Train');
    await page.getByText('Trained.').waitFor();
    await page.getByText('Node.js trains the same bytes.').waitFor();
  }
  await press(page, 'Apply it above');
  await press(page, 'Compare');
  await page.getByText('has the fingerprint that the payload states').waitFor();
  await page.close();
});

/** Peak of the memory of a browser's pages, in bytes: of the largest process that renders them. */
function peakOf(main: number): number {
  const children = readFileSync(`/proc/${main}/task/${main}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean);
  const own = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${main}/status`, 'utf8'));
  const isPage = readFileSync(`/proc/${main}/cmdline`, 'utf8').includes('--type=renderer');
  const peaks = children.map((child) => peakOf(Number(child)));
  return Math.max(0, isPage ? 1024 * Number(own?.[1]) : 0, ...peaks);
}

const MODEL_BYTES = 100e6;

test('two models of 100 MB are compared in 500 MB, with progress, and can be cancelled', async () => {
  const random = createRandom(3);
  const base = new Uint32Array(MODEL_BYTES / 4);
  // Between 0.5 and 1, with noise in all other bits.
  for (let i = 0; i < base.length; i++) base[i] = 0x3f000000 + (random() & 0x7fffff);
  const next = base.slice();
  for (let i = 0; i < next.length; i += 1 + (random() % 200))
    next[i] = (next[i] as number) + 1 + (random() % 5);
  const tensorsOf = (words: Uint32Array) => {
    const bytes = new Uint8Array(words.buffer);
    return {
      tensors: [{ name: 'a', dtype: 'float32', shape: [words.length / 1_000, 1_000], bytes }] as const,
    };
  };
  const [first, second] = [join(folder, 'large-0.safetensors'), join(folder, 'large-1.safetensors')];
  writeFileSync(first, writeSafetensors(tensorsOf(base)));
  writeFileSync(second, writeSafetensors(tensorsOf(next)));
  const { executablePath, args } = chromiumOptions();
  const server = await chromium.launchServer({ executablePath, args });
  const own = await chromium.connect(server.wsEndpoint());
  const page = await own.newPage();
  await page.goto(address);
  await choose(page, BASE, first);
  await choose(page, NEXT, second);
  await press(page, 'Compare');
  await page.getByText(/^Comparing tensors, \d+ %$/).waitFor();
  await press(page.getByRole('region').first(), 'Cancel');
  await page.getByText('Cancelled.').waitFor();
  await press(page, 'Compare');
  const rows = await rowsOf(page, /What changed/);
  expect(rows[0]?.[4]).toMatch(/^(0\.9\d|1\.0) %$/);
  expect(peakOf(server.process().pid as number)).toBeGreaterThan(50e6);
  expect(peakOf(server.process().pid as number)).toBeLessThan(500e6);
  const payload = await download(page, /Download the payload/);
  expect(payload.length).toBeLessThan(MODEL_BYTES / 50);
  await own.close();
  await server.close();
  const store = openMemoryStore(tensorsOf(base));
  await applyPayload(store, payload);
  expect(await fingerprint(store)).toBe(await fingerprint(openMemoryStore(tensorsOf(next))));
});

test.each([1100, 390])('the page fits a screen of %i points, before and after jobs', async (width) => {
  const page = await browser.newPage({ viewport: { width, height: 844 } });
  await page.goto(address);
  const widthOf = (): Promise<number> => page.evaluate(() => document.documentElement.scrollWidth);
  expect(await widthOf()).toBe(width);
  await press(page, 'A model and a trained payload');
  await press(page, 'Compare');
  await rowsOf(page, /What changed/);
  await press(page, 'Train');
  await page.getByText('Trained.').waitFor();
  expect(await widthOf()).toBe(width);
  expect(readdirSync(join(folder, 'page')).sort()).toEqual(['index.html', 'playground.js', 'style.css']);
  await page.close();
});
