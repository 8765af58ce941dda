import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type BrowserContext, chromium } from 'playwright-core';
import { afterAll, describe, expect, test } from 'vitest';
import { chromiumOptions, startWorker } from '../browser/chromium.js';
import type { State } from '../browser/keep-model.js';
import { reloadInBetween } from '../browser/storage-reloads.js';
import { call, KINDS, newDisk, REALMS, type RealmName, useStorage } from '../browser/storage-session.js';
import { createRandom } from '../support.js';
import { printCounts } from './counts.js';

const RELOADS = 50;
const KILLS = 10;

/** Longer than an update and its rolling back take. */
const LONGEST_MS = 700;

const session = useStorage();
/** Longer than a browser takes to start. */
const ANSWER_MS = 15_000;

const folder = mkdtempSync(join(tmpdir(), 'neural-diff-kills-'));
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

describe.each(KINDS.flatMap((kind) => REALMS.map((where) => ({ kind, where }))))(
  'a model on a disk of $kind in a $where',
  ({ kind, where }) => {
    test(`is base or next when the page is reloaded or closed ${RELOADS} times`, async () => {
      const found = await reloadInBetween(session, { kind, where, times: RELOADS, seed: 11 });
      printCounts(`pages reloaded, ${kind}, ${where}`, found);
      expect(found.base).toBeGreaterThan(0);
      expect(found.next).toBeGreaterThan(0);
    });

    test(`is base or next when the browser is killed ${KILLS} times`, async () => {
      const disk = newDisk(kind);
      const { names, payload, origin } = session;
      const profile = join(folder, `${kind}-${where}`);
      const random = createRandom(5);
      const found = { base: 0, next: 0 };
      for (let i = 0; i <= KILLS; i++) {
        const { realm, kill } = await startBrowser(profile, where);
        if (i === 0) await call(realm, 'install', disk, origin);
        const { status, fingerprint } = await call<State>(realm, 'recover', disk);
        expect(fingerprint).toBe(status === 'trial' ? names.next : names.base);
        if (i > 0) found[status === 'trial' ? 'next' : 'base']++;
        if (status === 'trial') await call(realm, 'end', disk, 'rollback');
        await call(realm, 'startUpdates', disk, payload, names);
        await setTimeout((random() / 2 ** 32) * LONGEST_MS);
        await kill();
      }
      printCounts(`browsers killed, ${kind}, ${where}`, found);
      expect(found.base + found.next).toBe(KILLS);
    });
  },
);

/** Starts a browser. After a kill one in many does not answer: it is killed too. */
async function startBrowser(profile: string, where: RealmName) {
  for (let tries = 1; ; tries++) {
    try {
      return await tryToStart(profile, where);
    } catch (error) {
      if (tries === 3) throw error;
    }
  }
}

/** Starts a browser of its own group of processes with a profile, and opens the program in it. */
async function tryToStart(profile: string, where: RealmName) {
  const { executablePath, args } = chromiumOptions();
  const own = ['--headless=new', '--remote-debugging-port=0', `--user-data-dir=${profile}`];
  const child = spawn(executablePath, [...args, ...own], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const end = async (): Promise<void> => {
    const ended = once(child, 'exit');
    process.kill(-(child.pid as number), 'SIGKILL');
    await ended;
  };
  try {
    const browser = await chromium.connectOverCDP(await endpointOf(child), { timeout: ANSWER_MS });
    const page = await (browser.contexts()[0] as BrowserContext).newPage();
    await page.goto(`${session.origin}/index.html`);
    const realm = where === 'page' ? page : await startWorker(page, 'device.js');
    const kill = async (): Promise<void> => {
      await end();
      await browser.close();
    };
    return { realm, kill };
  } catch (error) {
    await end();
    throw error;
  }
}

/**
 * @returns where a browser that starts says that it listens; what it says later is read too, or it would wait
 */
function endpointOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stderr?.on('data', (piece) => {
      text += piece;
      const found = /DevTools listening on (\S+)/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once('exit', () => reject(new Error(`Cannot start Chromium: ${text}`)));
  });
}
