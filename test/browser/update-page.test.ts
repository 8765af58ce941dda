import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromiumOptions, launchChromium } from './chromium.js';
import { INSECURE_HOST } from './storage-session.js';

const SERVER = join(import.meta.dirname, '..', '..', 'dist', 'examples', 'device-server', 'main.js');
const folder = mkdtempSync(join(tmpdir(), 'neural-diff-page-'));
let server: ChildProcess;
let address: string;
let browser: Browser;

beforeAll(async () => {
  server = spawn(process.execPath, [SERVER, '--folder', folder, '--port', '0'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [text] = await once(server.stdout as NonNullable<ChildProcess['stdout']>, 'data');
  address = /page +(\S+)/.exec(String(text))?.[1] as string;
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  server.kill('SIGINT');
  const [status] = server.exitCode === null ? await once(server, 'exit') : [server.exitCode];
  rmSync(folder, { recursive: true, force: true });
  expect(status).toBe(0);
});

/** @returns the words that the model hears, by column */
const heard = (page: Page, column: 'before' | 'after'): Promise<string[]> =>
  page.locator(`#clips td[data-column=${column}]`).allTextContents();

const ready = (page: Page): Promise<void> => page.locator('#update:enabled').waitFor();

test('the page of the example updates its model at the press of a button', async () => {
  const page = await browser.newPage();
  const errors: unknown[] = [];
  page.on('pageerror', (error) => errors.push(error));
  await page.goto(address);
  await ready(page);
  const status = page.getByRole('status');
  expect(await status.textContent()).toBe('This is the model as it was installed.');
  const before = await heard(page, 'before');
  expect(before.slice(4).filter((text) => /left|right/.test(text))).toEqual([]);
  await page.getByRole('button', { name: 'Update' }).click();
  await page.getByText(/Updated with \d+ bytes/).waitFor();
  const after = await heard(page, 'after');
  expect(after.slice(4)).toEqual([expect.stringContaining('left'), expect.stringContaining('right')]);
  expect(await page.getByRole('progressbar', { name: 'Progress' }).getAttribute('value')).not.toBe('0');

  await page.reload();
  await ready(page);
  expect(await status.textContent()).toBe('This is release 1.');
  expect(await heard(page, 'before')).toEqual(after);
  await page.getByRole('button', { name: 'Update' }).click();
  await page.getByText('The model is the newest one.').waitFor();

  await page.getByRole('button', { name: 'Start over' }).click();
  await page.getByText('This is the model as it was installed.').waitFor();
  expect(await heard(page, 'before')).toEqual(before);
  expect(errors).toEqual([]);
});

test.each([
  ['is never answered', 'navigator.storage.persist = () => new Promise(() => {});'],
  ['is refused with an error', "navigator.storage.persist = () => Promise.reject(new Error('no'));"],
  ['cannot be asked', "Object.defineProperty(navigator, 'storage', { value: undefined });"],
])('the first visit installs the model where the question for lasting storage %s', async (_, script) => {
  const context = await browser.newContext();
  await context.addInitScript(script);
  const page = await context.newPage();
  const errors: unknown[] = [];
  page.on('pageerror', (error) => errors.push(error));
  await page.goto(address);
  await ready(page);
  expect(await page.getByRole('status').textContent()).toBe('This is the model as it was installed.');
  expect(errors).toEqual([]);
  await context.close();
});

test('a page from http without a secure connection, as of a kiosk, is updated too', async () => {
  const { executablePath, args } = chromiumOptions();
  const rule = `--host-resolver-rules=MAP ${INSECURE_HOST} 127.0.0.1`;
  const kiosk = await chromium.launch({ executablePath, args: [...args, rule] });
  const page = await kiosk.newPage();
  const errors: unknown[] = [];
  page.on('pageerror', (error) => errors.push(error));
  await page.goto(address.replace('127.0.0.1', INSECURE_HOST));
  await ready(page);
  expect(await page.evaluate('[isSecureContext, typeof crypto.subtle]')).toEqual([false, 'undefined']);
  await page.getByRole('button', { name: 'Update' }).click();
  await page.getByText(/Updated with \d+ bytes/).waitFor();
  await page.reload();
  await page.getByText('This is release 1.').waitFor();
  expect(errors).toEqual([]);
  await kiosk.close();
});
