import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import type { Watched, WorkerKind } from './connect-worker.js';
import { call, useUpdates } from './update-session.js';

/** 32 MiB: a task over all of it would be seen. */
const session = useUpdates({ inputs: 2_048, units: 4_096 });

const scriptOf = (database: string, more = ''): string => `worker.js?database=${database}${more}`;

async function openPage(): Promise<Page> {
  const page = await session.context.newPage();
  await page.goto(new URL('connect.html', `${session.follow().origin}/`).href);
  return page;
}

describe.each<WorkerKind>(['dedicated', 'service'])('an updater in a %s worker', (kind) => {
  test('tells the page of its progress, and never blocks it', { retry: 2 }, async () => {
    const { base, next } = session;
    const { database, input } = session.follow();
    const page = await openPage();
    expect(await call(page, 'connect', kind, scriptOf(database))).toBe(`settled ${base.fingerprint}`);
    expect(await call(page, 'outputs', input)).toEqual(base.outputs);
    await call(page, 'watch');
    expect(await call(page, 'act', 'update')).toBe('updated');
    await call(page, 'refresh');
    expect(await call(page, 'act', 'confirm')).toBe('fine');
    const { events, longTasks } = await call<Watched>(page, 'watched');
    expect(events.join(' ')).toMatch(/^planned progress self-test (progress )*updated outcome confirmed$/);
    expect(longTasks).toEqual([]);
    expect(await call(page, 'outputs', input)).toEqual(next.outputs);
    // The observer does tell of longer tasks.
    await call(page, 'block', 80);
    expect((await call<Watched>(page, 'watched')).longTasks).not.toEqual([]);
    await page.close();
  });

  test('updates a model once for all tabs, which get its weights', async () => {
    const { base, next } = session;
    const { database, input } = session.follow();
    const pages: Page[] = [];
    for (let i = 0; i < 3; i++) {
      const page = await openPage();
      await call(page, 'connect', kind, scriptOf(database));
      pages.push(page);
    }
    const statuses = await Promise.all(pages.map((page) => call<string>(page, 'act', 'update')));
    expect(statuses.filter((status) => status === 'updated')).toEqual(['updated']);
    expect(statuses.filter((status) => !/^(updated|locked|on-trial)$/.test(status))).toEqual([]);
    for (const page of pages) {
      await call(page, 'heard', 'updated');
      expect(await call(page, 'outputs', input)).toEqual(base.outputs);
      await call(page, 'refresh');
      expect(await call(page, 'outputs', input)).toEqual(next.outputs);
    }
    expect(await call(pages[1] as Page, 'act', 'confirm')).toBe('fine');
    for (const page of pages) await call(page, 'heard', 'confirmed');
    for (const page of pages) await page.close();
  });

  test('that ends in the middle of an update ends the call; the next one recovers the model', async () => {
    const { base, next } = session;
    const { database } = session.follow();
    const page = await openPage();
    await call(page, 'connect', kind, scriptOf(database, '&hangs'), false);
    await call(page, 'begin', 'update');
    await call(page, 'heard', 'self-test');
    await (kind === 'dedicated' ? call(page, 'terminate') : stopServiceWorkers(page));
    expect(await call(page, 'end')).toBe('worker-lost');
    const started = await call<string>(page, 'connect', kind, scriptOf(database));
    expect(started).toBe(`settled ${base.fingerprint}`);
    expect(await call(page, 'act', 'update')).toBe('updated');
    expect(await call(page, 'act', 'start')).toBe('trial');
    expect(next.fingerprint).not.toBe(base.fingerprint);
    await page.close();
  });
});

async function stopServiceWorkers(page: Page): Promise<void> {
  const devTools = await page.context().newCDPSession(page);
  await devTools.send('ServiceWorker.enable');
  await devTools.send('ServiceWorker.stopAllWorkers');
  await devTools.detach();
}
