// The playground in the browsers that nothing but the pages themselves controls.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AgentServer, serveAgents, withAgent } from './agent.js';
import { BROWSERS, type BrowserName, missingOf, openBrowser } from './open-browser.js';

const BUNDLE = join(import.meta.dirname, '..', '..', 'dist', 'examples', 'playground', 'bundle.js');
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css',
  '.js': 'text/javascript',
};
const folder = mkdtempSync(join(tmpdir(), 'neural-diff-playground-'));
let server: AgentServer;

beforeAll(async () => {
  execFileSync(process.execPath, [BUNDLE, folder], { stdio: 'ignore' });
  server = await serveAgents(async (path) => {
    const file = join(folder, path.replace(/^\//, '') || 'index.html');
    if (!existsSync(file)) return undefined;
    const type = TYPES[extname(file)] as string;
    const bytes = new Uint8Array(readFileSync(file));
    if (extname(file) !== '.html') return { type, body: bytes };
    const page = new TextDecoder().decode(bytes);
    return { type, body: withAgent(page) };
  });
});
afterAll(async () => {
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Waits until the page shows a text. */
async function shows(text: string): Promise<void> {
  const find = `document.body.innerText.includes(${JSON.stringify(text)})`;
  for (let tries = 0; tries < 600; tries++) {
    if (await server.evaluate<boolean>(find)) return;
    await setTimeout(100);
  }
  expect(await server.evaluate<string>('document.body.innerText')).toContain(text);
}

const press = (name: string): Promise<void> =>
  server.evaluate(
    `[...document.querySelectorAll('button')].find((each) => each.textContent === ${JSON.stringify(name)}).click()`,
  );

/** Chooses in a field, as a person does. */
const choose = (field: number, value: string): Promise<void> =>
  server.evaluate(`{
    const field = document.querySelectorAll('select')[${field}];
    field.value = ${JSON.stringify(value)};
    field.dispatchEvent(new Event('change', { bubbles: true }));
  }`);

for (const browser of Object.keys(BROWSERS) as BrowserName[]) {
  test.skipIf(missingOf(browser).length > 0)(
    `${browser} compares, applies, runs and trains, with the bytes of Node.js`,
    async () => {
      const kill = await openBrowser(browser, `${server.origin}/`);
      try {
        await shows('Choose both, or a sample.');
        await press('Two models');
        await press('Compare');
        await shows('8 of 8 tensors changed');
        await press('Apply it to a copy');
        await shows('has the fingerprint that the payload states');
        await press('Run examples through both');
        await shows('The same examples through both models');
        for (const task of ['pictures', 'melodies']) {
          for (const kind of ['hash', 'sparse']) {
            await choose(0, task);
            await choose(1, kind);
            await press('Train');
            await shows('epoch');
            await shows('Node.js trains the same bytes.');
          }
        }
        await press('Apply it above');
        await press('Compare');
        await shows('Download the patched model');
      } finally {
        await kill();
        server.forget();
      }
    },
  );
}
