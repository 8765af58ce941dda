import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import axe from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { renderGalleryPage, renderReportPage } from '../../src/report/page/render-pages.js';
import { HOSTILE, hostileReport } from '../report/page/hostile-report.js';
import { minimalReport, sampleReport } from '../report/sample-report.js';
import { launchChromium } from './chromium.js';

const SCREENS = {
  phone: { width: 360, height: 740 },
  desktop: { width: 1280, height: 900 },
};
const folder = mkdtempSync(join(tmpdir(), 'neural-diff-report-'));
let browser: Browser;

beforeAll(async () => {
  const facts = [{ name: HOSTILE[0]!, value: '2,988 bytes' }];
  const entries = HOSTILE.map((title) => ({ title, href: title, headline: title, isPassed: true, facts }));
  const pages = {
    sample: await renderReportPage(sampleReport()),
    minimal: await renderReportPage(minimalReport()),
    hostile: await renderReportPage(hostileReport()),
    gallery: await renderGalleryPage(entries),
  };
  for (const [name, html] of Object.entries(pages)) writeFileSync(addressOf(name), html);
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

const addressOf = (name: string): string => join(folder, `${name}.html`);

interface OpenPage {
  readonly page: Page;
  /** Whatever a quiet page does not do: requests, dialogs, errors, messages. */
  readonly noises: string[];
}

async function openPage(name: string, options: BrowserContextOptions): Promise<OpenPage> {
  const page = await browser.newPage(options);
  const address = pathToFileURL(addressOf(name)).href;
  const noises: string[] = [];
  page.on('request', (request) => request.url() !== address && noises.push(request.url()));
  page.on('console', (message) => noises.push(message.text()));
  page.on('pageerror', (error) => noises.push(error.message));
  page.on('dialog', (dialog) => {
    noises.push(dialog.message());
    void dialog.dismiss();
  });
  await page.goto(address);
  return { page, noises };
}

const cases = ['sample', 'minimal', 'hostile', 'gallery'].flatMap((name) =>
  Object.keys(SCREENS).flatMap((screen) =>
    (['light', 'dark'] as const).map((scheme) => ({ name, screen: screen as keyof typeof SCREENS, scheme })),
  ),
);

test.each(cases)(
  'the $name page fits a $screen in $scheme colours, quietly and without accessibility violations',
  async (one) => {
    const { page, noises } = await openPage(one.name, {
      viewport: SCREENS[one.screen],
      colorScheme: one.scheme,
    });
    await page.evaluate(() => {
      for (const details of document.querySelectorAll('details')) details.open = true;
    });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(SCREENS[one.screen].width);
    expect(await page.evaluate(findCut)).toEqual([]);
    expect(await page.evaluate(() => document.body.innerText.includes('\ufffd'))).toBe(false);
    await page.evaluate(axe.source);
    // What passes is not described element by element: that takes most of the time.
    const { violations } = await page.evaluate(() =>
      (window as unknown as { axe: typeof axe }).axe.run({ resultTypes: ['violations'] }),
    );
    expect(
      violations.map(
        ({ id, impact, nodes }) => `${impact} ${id} ${nodes.length} ${nodes[0]?.html.slice(0, 200)}`,
      ),
    ).toEqual([]);
    expect(noises).toEqual([]);
    await page.close();
  },
);

/**
 * @returns texts of charts outside of their drawing, and texts outside of what they stand in; runs in the
 * page
 */
function findCut(): string[] {
  const isWithin = (inner: DOMRect, outer: DOMRect) =>
    inner.left >= outer.left - 1 && inner.right <= outer.right + 1;
  const texts = [...document.querySelectorAll('.chart svg text')].filter((text) => {
    const box = text.getBoundingClientRect();
    return box.width > 0 && !isWithin(box, text.closest('svg')!.getBoundingClientRect());
  });
  const cells = [...document.querySelectorAll('td, th, h1, h2, p, li, dd, summary')].filter(
    (cell) => cell.scrollWidth > cell.clientWidth + 1 && getComputedStyle(cell).display !== 'inline',
  );
  return [...texts, ...cells].map((element) => element.outerHTML.slice(0, 200));
}

test.each([
  { width: 360, colorScheme: 'light' },
  { width: 390, colorScheme: 'dark' },
] as const)(
  'wide tables say on a screen of $width points that they scroll, and do so by the keyboard',
  async ({ width, colorScheme }) => {
    const { page } = await openPage('sample', { viewport: { width, height: 740 }, colorScheme });
    const region = page.getByRole('region', { name: /^Payloads, full fine-tune and base/ });
    const hintOf = () =>
      region.evaluate((node) => getComputedStyle(node.querySelector('caption span')!, '::after').content);
    await expect.poll(hintOf).toContain('Scroll sideways for more columns');
    const left = () =>
      region.evaluate((node) => node.querySelector('tbody th')!.getBoundingClientRect().left);
    const before = await left();
    await region.focus();
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => region.evaluate((node) => node.scrollLeft)).toBeGreaterThan(0);
    expect(await left()).toBe(before);
    await page.setViewportSize({ width: 1600, height: 740 });
    await expect.poll(hintOf).toBe('none');
    await page.close();
  },
);

test('tables fit on paper', async () => {
  const { page } = await openPage('sample', { viewport: { width: 718, height: 1000 } });
  await page.emulateMedia({ media: 'print' });
  const wide = await page.evaluate(() =>
    [...document.querySelectorAll('.scroll')]
      .filter((region) => region.scrollWidth > region.clientWidth + 1)
      .map((region) => `${region.querySelector('caption')?.textContent} ${region.scrollWidth}`),
  );
  expect(wide).toEqual([]);
  await page.close();
});

test('charts have the colours of the scheme', async () => {
  const fills = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    const { page } = await openPage('sample', { viewport: SCREENS.desktop, colorScheme });
    const mark = page.locator('.chart.wide [role=img]').first();
    fills.push(await mark.evaluate((element) => getComputedStyle(element).fill));
    await page.close();
  }
  expect(fills).toEqual(['rgb(34, 81, 201)', 'rgb(143, 176, 255)']);
});

test('paper is light', async () => {
  const { page } = await openPage('sample', { viewport: SCREENS.desktop, colorScheme: 'dark' });
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  expect(await page.evaluate(() => getComputedStyle(document.body).color)).toBe('rgb(27, 27, 31)');
  await page.close();
});

test('tables are sorted by the keyboard, numbers first largest, and back', async () => {
  const { page, noises } = await openPage('sample', { viewport: SCREENS.desktop });
  const table = page.locator('table', { hasText: 'Payloads, full fine-tune and base' });
  const bytes = (): Promise<string[]> => table.locator('tbody td:nth-child(3)').allTextContents();
  const button = table.getByRole('button', { name: 'Bytes' });
  await button.focus();
  await page.keyboard.press('Enter');
  expect(await bytes()).toEqual(['600,332', '2,988', '2,952', '1,198', '–']);
  expect(await table.locator('th[aria-sort]').getAttribute('aria-sort')).toBe('descending');
  await page.keyboard.press('Space');
  expect(await bytes()).toEqual(['1,198', '2,952', '2,988', '600,332', '–']);
  await table.getByRole('button', { name: 'Model' }).click();
  expect(await table.locator('tbody th').allTextContents()).toEqual([
    ...['Base', 'Full fine-tune', 'hash 0.2 %', 'hash 0.5 %', 'sparse 0.5 %'],
  ]);
  expect(await table.locator('th[aria-sort]').count()).toBe(1);
  expect(noises).toEqual([]);
  await page.close();
});

test('marks say what they are on hovering and by the keyboard', async () => {
  const { page } = await openPage('sample', { viewport: SCREENS.desktop });
  const tip = page.locator('.tip');
  const marks = page.locator('#cost .chart.wide [role=img]');
  await marks.first().hover();
  expect(await tip.textContent()).toBe('hash 0.5 %: 2,988\u00a0bytes');
  expect(await tip.isVisible()).toBe(true);
  await page.mouse.move(5, 5);
  expect(await tip.isVisible()).toBe(false);
  await marks.first().focus();
  await page.keyboard.press('ArrowDown');
  expect(await tip.textContent()).toBe('sparse 0.5 %: 2,952\u00a0bytes');
  expect(await tip.isVisible()).toBe(true);
  await page.keyboard.press('Escape');
  expect(await tip.isVisible()).toBe(false);
  expect(await page.locator('#cost .chart.wide [tabindex="0"]').count()).toBe(1);
  await page.close();
});

test('a finger finds marks of a chart on a phone', async () => {
  const { page } = await openPage('sample', { viewport: SCREENS.phone, hasTouch: true });
  const mark = page.locator('#sizes .chart.narrow [role=img]').first();
  await mark.scrollIntoViewIfNeeded();
  const box = (await mark.boundingBox())!;
  await page.touchscreen.tap(box.x + box.width / 2 + 6, box.y + box.height / 2);
  const tip = page.locator('.tip');
  expect(await tip.isVisible()).toBe(true);
  const { x, width } = (await tip.boundingBox())!;
  expect(x).toBeGreaterThanOrEqual(0);
  expect(x + width).toBeLessThanOrEqual(SCREENS.phone.width);
  await page.close();
});

test('without JavaScript everything is there, plain headings in place of buttons', async () => {
  const { page, noises } = await openPage('sample', { viewport: SCREENS.desktop, javaScriptEnabled: false });
  expect(await page.locator('th button').count()).toBe(0);
  expect(await page.locator('#cost tbody tr').count()).toBe(10);
  expect(await page.locator('.chart.wide svg').first().isVisible()).toBe(true);
  await page.locator('summary').first().click();
  expect(await page.getByText('low-rank update').first().isVisible()).toBe(true);
  expect(noises).toEqual([]);
  await page.close();
});

test('the policy lets nothing else run', async () => {
  const { page, noises } = await openPage('sample', { viewport: SCREENS.desktop });
  await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'window.isHacked = true';
    document.body.append(script);
    const image = document.createElement('img');
    image.src = 'https://example.com/a.png';
    document.body.append(image);
  });
  expect(await page.evaluate(() => 'isHacked' in window)).toBe(false);
  expect(noises.filter((noise) => /Content Security Policy/.test(noise))).toHaveLength(2);
  await page.close();
});
