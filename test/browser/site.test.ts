import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchChromium } from './chromium.js';
import { serveFiles } from './file-server.js';

const ROOT = join(import.meta.dirname, '..', '..');
const folder = mkdtempSync(join(tmpdir(), 'neural-diff-site-'));
let browser: Browser;

beforeAll(async () => {
  execFileSync(process.execPath, ['dist/scripts/site.js', '--out', folder], { cwd: ROOT, stdio: 'ignore' });
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

const listPages = (): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.html'));

const readPage = (path: string): string => readFileSync(join(folder, path), 'utf8');

/** @returns what a page refers to, as written; other hosts are left out */
function linksOf(path: string): string[] {
  const links = readPage(path).matchAll(/<[^>]*?\s(?:href|src|srcset)="([^"]*)"/g);
  return Array.from(links, ([, link = '']) => link).filter((link) => !/^(https?|data):/.test(link));
}

const anchors = new Map<string, ReadonlySet<string>>();

/** @returns the places in a page that links may lead to */
function anchorsOf(path: string): ReadonlySet<string> {
  const found =
    anchors.get(path) ?? new Set(Array.from(readPage(path).matchAll(/\sid="([^"]*)"/g), ([, id = '']) => id));
  anchors.set(path, found);
  return found;
}

/** @returns the page of the site and the place in it that a link of a page leads to */
function follow(from: string, link: string): { to: string; anchor: string } {
  const [file = '', anchor = ''] = decodeURI(link).split('#');
  return { to: file === '' ? from : posix.join(posix.dirname(from), file), anchor };
}

function isBroken(from: string, link: string): boolean {
  if (link.startsWith('/')) return true;
  const { to, anchor } = follow(from, link);
  const file = join(folder, to);
  if (to.startsWith('..') || !existsSync(file) || !statSync(file).isFile()) return true;
  return anchor !== '' && to.endsWith('.html') && !anchorsOf(to).has(anchor);
}

test('every link of the site leads to a file of it, and to an anchor there', () => {
  const pages = listPages();
  expect(pages.length).toBeGreaterThan(250);
  const broken = pages.flatMap((page) =>
    linksOf(page)
      .filter((link) => isBroken(page, link))
      .map((link) => `${page}: ${link}`),
  );
  expect(broken).toEqual([]);
});

test('all pages of the project are reached from the first one', () => {
  const seen = new Set(['index.html']);
  for (const page of seen)
    for (const link of linksOf(page)) {
      const { to } = follow(page, link);
      if (to.endsWith('.html')) seen.add(to);
    }
  expect(listPages().filter((page) => !seen.has(page) && page !== 'hierarchy.html')).toEqual([]);
  expect([...seen]).toEqual(
    expect.arrayContaining([
      ...[
        'gallery/index.html',
        'playground/index.html',
        'documents/CHANGELOG.html',
        'documents/docs/START.html',
      ],
      ...['documents/docs/decisions/0001-own-header-reader.html', 'modules/neural-diff_apply.html'],
    ]),
  );
});

/** @returns the site under a path of a server of this machine */
async function serveBelow(path: string) {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => statSync(join(folder, file)).isFile())
    .map((file) => [`${path}/${file}`, readFileSync(join(folder, file))] as const);
  return serveFiles(new Map(files));
}

const isWithin = (address: string, origin: string): boolean =>
  address.startsWith(`${origin}/`) || address.startsWith('data:');

/** Opens a page and notes what it asks for outside of the site. */
async function openPage(origin: string, path: string): Promise<{ page: Page; outside: string[] }> {
  const page = await browser.newPage();
  const outside: string[] = [];
  page.on('request', (request) => isWithin(request.url(), origin) || outside.push(request.url()));
  // Chromium lets no file refer to the icons of another one; a script of the page puts them into it.
  page.on('requestfailed', (request) => {
    if (!/^file:.*\/icons\.svg$/.test(request.url())) outside.push(`failed: ${request.url()}`);
  });
  page.on('pageerror', (error) => outside.push(error.message));
  await page.goto(`${origin}/${path}`);
  return { page, outside };
}

/** Searches for a text, until the field's list has a result. @returns the result */
async function find(page: Page, text: string, name: RegExp) {
  await page.getByRole('combobox').fill(text);
  const result = page.getByRole('option').filter({ hasText: name }).locator('a').first();
  await result.waitFor();
  return result;
}

test.each(['as files', 'under a sub-path'])('the site is searched %s, without other hosts', async (way) => {
  const server = way === 'as files' ? undefined : await serveBelow('project/docs');
  const origin = server ? `${server.origin}/project/docs` : pathToFileURL(folder).href;
  for (const path of [
    'index.html',
    'documents/docs/ERRORS.html',
    'gallery/index.html',
    'playground/index.html',
  ]) {
    const { page, outside } = await openPage(origin, path);
    expect(outside).toEqual([]);
    await page.close();
  }
  const { page, outside } = await openPage(origin, 'documents/docs/START.html');
  await page.getByRole('button', { name: 'Search' }).click();
  await find(page, 'applyPayload', /applyPayload/);
  await (await find(page, 'command line', /^\s*Command line\s*$/)).click();
  await page.getByRole('heading', { level: 1, name: 'Command line' }).waitFor();
  expect(outside).toEqual([]);
  await server?.close();
});

test.each([1100, 390])('pages fit a screen of %i points', async (width) => {
  const page = await browser.newPage({ viewport: { width, height: 844 } });
  const wide: string[] = [];
  for (const path of [
    'index.html',
    'modules/neural-diff_apply.html',
    'playground/index.html',
    ...documents(),
  ]) {
    await page.goto(pathToFileURL(join(folder, path)).href);
    if ((await page.evaluate(() => document.documentElement.scrollWidth)) > width) wide.push(path);
  }
  expect(wide).toEqual([]);
});

const documents = (): string[] => listPages().filter((path) => /^documents\/docs\/[A-Z]/.test(path));
