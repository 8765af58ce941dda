// Storage in the browsers that nothing but the pages themselves controls.
import { rmSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryStore } from '../../src/model/store.js';
import { bundleForBrowser } from '../browser/bundle.js';
import type { DiskKind, DiskName, Names, State } from '../browser/keep-model.js';
import { createBase, createPayloads, deviceFiles } from '../browser/samples.js';
import { DISK_CASES } from '../storage/disk-cases.js';
import { createRandom } from '../support.js';
import { type AgentServer, serveAgents } from './agent.js';
import { type BrowserName, missingOf, newHome, type OpenOptions, openBrowser } from './open-browser.js';

const PAGE = '<!doctype html><script src="device.js"></script><script src="agent.js"></script>';
const PAGES: Readonly<Record<string, string>> = {
  'page.html': `${PAGE}<iframe src="frame.html"></iframe>`,
  'worker.html': '<!doctype html><script>document.hidden || new Worker("worker.js")</script>',
  'worker.js': 'importScripts("device.js", "agent.js")',
  'frame.html': '<!doctype html><script src="device.js"></script>',
};
const REALMS = ['page', 'worker'] as const;

/** WebKitGTK has no private files. */
const WAYS: readonly { browser: BrowserName; kinds: readonly DiskKind[] }[] = [
  { browser: 'Firefox', kinds: ['files', 'database'] },
  { browser: 'WebKit', kinds: ['database'] },
];

/** Longer than an update and its rolling back take. */
const LONGEST_MS = 700;

/** Longer than a browser takes to start. */
const LONGEST_START_MS = 25_000;

let server: AgentServer;
let names: Names;
let disks = 0;
const newDisk = (kind: DiskKind, inPlace = false): DiskName => ({ kind, name: `disk${disks++}`, inPlace });

beforeAll(async () => {
  const base = createBase();
  const payloads = await createPayloads(base);
  names = {
    base: await fingerprint(openMemoryStore(base)),
    next: payloads.get('stacked.ndiff')?.next as string,
  };
  const { code } = await bundleForBrowser('keep-model.ts');
  const files = new Map<string, Uint8Array | string>([['device.js', code], ...Object.entries(PAGES)]);
  for (const [path, bytes] of deviceFiles(base, payloads)) files.set(path, bytes);
  const typeOf = (path: string): string => (path.endsWith('.html') ? 'text/html' : 'text/javascript');
  server = await serveAgents(async (path) => {
    const body = files.get(path);
    return body === undefined ? body : { type: `${typeOf(path)}; charset=utf-8`, body };
  });
});
afterAll(() => server.close());

/** Calls a function of `keep-model.ts` where the agent runs, or in the frame of its page. */
const call = <T>(name: string, ...values: readonly unknown[]): Promise<T> =>
  callIn<T>('device', name, values);
const callIn = <T>(realm: string, name: string, values: readonly unknown[]): Promise<T> =>
  server.evaluate<T>(`${realm}.${name}(${values.map((value) => JSON.stringify(value)).join(', ')})`);

/** Opens the page in a browser of its own. */
async function visit(browser: BrowserName, options: OpenOptions, act: () => Promise<void>): Promise<void> {
  const kill = await openBrowser(browser, `${server.origin}/page.html`, options);
  await act().finally(kill);
  server.forget();
}

/** @returns a value as it comes from the page */
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const payload = (): string => `${server.origin}/stacked.ndiff`;

for (const { browser, kinds } of WAYS) {
  const gaps = missingOf(browser);
  if (gaps.length > 0)
    process.stderr.write(`SKIPPED  storage in ${browser}: there is no ${gaps.join(', ')}\n`);
  describe.skipIf(gaps.length > 0).each(REALMS)(`in a %s of ${browser}`, (where) => {
    const home = newHome();
    let kill: (() => Promise<void>) | undefined;
    const start = async (): Promise<void> => {
      kill = await openBrowser(browser, `${server.origin}/${where}.html`, { home });
    };
    /** Kills the browser and starts it. After a kill one in many does not answer: it is killed, too. */
    const restart = async (): Promise<void> => {
      for (let tries = 1; ; tries++) {
        await kill?.();
        server.forget();
        await start();
        const answer = server.evaluate('"here"');
        const late = setTimeout(LONGEST_START_MS, 'late');
        if ((await Promise.race([answer, late])) === 'here') return;
        if (tries === 3) throw new Error(`Cannot start ${browser}: no answer, three times`);
        process.stderr.write(`AGAIN  ${browser} did not answer after a kill\n`);
      }
    };
    beforeAll(async () => {
      await start();
      // WebKit forgets the storage of an origin that was killed in the second in which it came to be.
      await call('tryToOpen', newDisk('database'));
      await setTimeout(2_000);
    });
    afterAll(async () => {
      await kill?.();
      server.forget();
      rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    });

    describe.each(kinds)('a disk of %s', (kind) => {
      test('does what every disk must do', async () => {
        for (const [index, { name, expected }] of DISK_CASES.entries())
          expect([name, await call('runCase', newDisk(kind), index)]).toEqual([name, asJson(expected)]);
        expect(await call('refuseUnsafe', newDisk(kind))).toEqual(['unsafe-path']);
      });

      test('keeps a model twice: it is on trial, confirmed, and rolled back', async () => {
        const disk = newDisk(kind);
        await call('install', disk, server.origin);
        for (const end of ['rollback', 'confirm'] as const) {
          expect(await call('update', disk, payload(), names)).toBe('fine');
          expect(await call('recover', disk)).toEqual({ status: 'trial', fingerprint: names.next });
          expect(await call('update', disk, payload(), names)).toBe('on-trial');
          expect(await call('end', disk, end)).toBe('fine');
          const found = end === 'confirm' ? names.next : names.base;
          expect(await call('recover', disk)).toEqual({ status: 'settled', fingerprint: found });
        }
      });

      const killInTheMiddle = async (disk: DiskName): Promise<void> => {
        const random = createRandom(7);
        await call('install', disk, server.origin);
        for (let i = 0; i < 4; i++) {
          await call('startUpdates', disk, payload(), names);
          await setTimeout((random() / 2 ** 32) * LONGEST_MS);
          await restart();
          const { status, fingerprint: found } = await call<State>('recover', disk);
          expect(found).toBe(status === 'trial' ? names.next : names.base);
          if (status === 'trial') expect(await call('end', disk, 'rollback')).toBe('fine');
        }
      };

      test('has base or next when the browser is killed in the middle', () => killInTheMiddle(newDisk(kind)));

      // A database replaces files in one transaction; private files are replaced in steps.
      if (kind === 'files') {
        test('has base or next when the browser is killed in the middle of an update in place', () =>
          killInTheMiddle(newDisk(kind, true)));

        test('has a record, old or new, when the browser is killed while it is replaced', async () => {
          const disk = newDisk(kind);
          const random = createRandom(9);
          for (let i = 0; i < 6; i++) {
            await call('startRecords', disk);
            await setTimeout((random() / 2 ** 32) * LONGEST_MS);
            await restart();
            expect(await call('readNumber', disk)).toBeGreaterThanOrEqual(0);
          }
        });
      }

      // Reloads and a second document are tried in pages alone: a worker ends with its page.
      if (where === 'worker') return;

      test('has base or next when the page is reloaded in the middle', async () => {
        const disk = newDisk(kind);
        const random = createRandom(8);
        await call('install', disk, server.origin);
        for (let i = 0; i < 8; i++) {
          await call('startUpdates', disk, payload(), names);
          await setTimeout((random() / 2 ** 32) * LONGEST_MS);
          await server.evaluate('void setTimeout(() => location.reload(), 50)');
          server.forget();
          const { status, fingerprint: found } = await call<State>('recover', disk);
          expect(found).toBe(status === 'trial' ? names.next : names.base);
          if (status === 'trial') expect(await call('end', disk, 'rollback')).toBe('fine');
        }
      });

      test('is updated by one document at a time', async () => {
        const disk = newDisk(kind);
        const other = <T>(name: string, ...values: readonly unknown[]) =>
          callIn<T>('frames[0].device', name, values);
        await call('install', disk, server.origin);
        await call('beginUpdate', disk, payload(), names);
        expect(await other('update', disk, payload(), names)).toBe('locked');
        expect(await other('look', disk)).toBe(names.base);
        expect(await call('finishUpdate', disk)).toBe('fine');
        expect(await other('look', disk)).toBe(names.next);
        expect(await other('end', disk, 'rollback')).toBe('fine');
        expect(await call('recover', disk)).toEqual({ status: 'settled', fingerprint: names.base });
      });
    });
  });

  test.skipIf(gaps.length > 0)(`a private window of ${browser} keeps a model in a database`, async () => {
    await visit(browser, { isPrivate: true }, async () => {
      const disk = newDisk('database');
      await call('install', disk, server.origin);
      expect(await call('update', disk, payload(), names)).toBe('fine');
      expect(await call('recover', disk)).toEqual({ status: 'trial', fingerprint: names.next });
      expect(await call('tryToOpen', newDisk('files'))).toBe('file-unreadable');
    });
  });
}

test.skipIf(missingOf('Firefox').length > 0)(
  'a full disk in Firefox says so, and has space again',
  async () => {
    await visit('Firefox', { quotaKb: 20_000 }, async () => {
      for (const kind of ['files', 'database'] as const)
        expect(await call('fill', newDisk(kind))).toEqual(['no-space', 'fine']);
    });
  },
);
