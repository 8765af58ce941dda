// The page of examples/browser-update in the browsers that nothing but the pages themselves controls.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AgentServer, serveAgents, withAgent } from './agent.js';
import { BROWSERS, type BrowserName, missingOf, openBrowser } from './open-browser.js';

const SERVER = join(import.meta.dirname, '..', '..', 'dist', 'examples', 'device-server', 'main.js');
const folder = mkdtempSync(join(tmpdir(), 'neural-diff-page-'));
let example: ChildProcess;
let server: AgentServer;

/** Passes on what the example serves, with an agent in its page. */
async function passOn(address: string, path: string) {
  const response = await fetch(address + path);
  if (!response.ok) return undefined;
  const type = response.headers.get('content-type') ?? 'application/octet-stream';
  if (!type.startsWith('text/html')) return { type, body: new Uint8Array(await response.arrayBuffer()) };
  const page = await response.text();
  return { type, body: withAgent(page) };
}

beforeAll(async () => {
  const flags = ['--folder', folder, '--port', '0'];
  example = spawn(process.execPath, [SERVER, ...flags], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [text] = await once(example.stdout as NonNullable<ChildProcess['stdout']>, 'data');
  const address = /page +(\S+)/.exec(String(text))?.[1] as string;
  server = await serveAgents((path) => passOn(address, path));
});
afterAll(async () => {
  await server?.close();
  example.kill('SIGINT');
  if (example.exitCode === null) await once(example, 'exit');
  rmSync(folder, { recursive: true, force: true });
});

/** Waits until the page says something. */
async function says(expected: RegExp): Promise<void> {
  let text = '';
  for (let tries = 0; tries < 200; tries++) {
    text = await server.evaluate<string>("document.getElementById('status').textContent");
    if (expected.test(text)) return;
    await setTimeout(100);
  }
  expect(text).toMatch(expected);
}

async function reload(): Promise<void> {
  await server.evaluate('void setTimeout(() => location.reload(), 50)');
  server.forget();
}

const INSTALLED = /^This is the model as it was installed\.$/;
const press = (): Promise<void> => server.evaluate("void document.getElementById('update').click()");

for (const browser of Object.keys(BROWSERS) as BrowserName[]) {
  const gaps = missingOf(browser);
  test.skipIf(gaps.length > 0)(
    `the first visit in ${browser}, an update, and a visit after the storage was cleared`,
    async () => {
      const kill = await openBrowser(browser, `${server.origin}/`);
      try {
        await says(INSTALLED);
        await press();
        await says(/^Updated with \d+ bytes/);
        await reload();
        await says(/^This is release 1\.$/);
        // Browsers clear the storage of pages that are not visited.
        await server.evaluate(`indexedDB.databases().then((all) => Promise.all(all.map(({ name }) =>
        new Promise((resolve) => { indexedDB.deleteDatabase(name).onsuccess = resolve; }))))`);
        await reload();
        await says(INSTALLED);
        await press();
        await says(/^Updated with \d+ bytes/);
      } finally {
        await kill();
        server.forget();
      }
    },
  );
}
