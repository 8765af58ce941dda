import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { DISK_CASES } from '../storage/disk-cases.js';
import type { State } from './keep-model.js';
import { reloadInBetween } from './storage-reloads.js';
import { call, INSECURE_HOST, KINDS, newDisk, REALMS, useStorage } from './storage-session.js';

const session = useStorage();
const WAYS = KINDS.flatMap((kind) => REALMS.map((where) => ({ kind, where })));

describe.each(WAYS)('a model on a disk of $kind in a $where', ({ kind, where }) => {
  test('is the same after the page was reloaded', async () => {
    const disk = newDisk(kind);
    const { names, payload, origin } = session;
    const first = await session.open(where);
    await call(first.realm, 'install', disk, origin);
    expect(await call(first.realm, 'update', disk, payload, names)).toBe('fine');
    await first.page.reload();
    const second = await session.open(where);
    expect(await call(second.realm, 'recover', disk)).toEqual({ status: 'trial', fingerprint: names.next });
    for (const { page } of [first, second]) await page.close();
  });

  test('is base or next when the page is reloaded or closed at any moment', async () => {
    const found = await reloadInBetween(session, { kind, where, times: 13, seed: 3 });
    expect(found.base + found.next).toBe(13);
  });

  test('is updated by one tab at a time, and the others see base meanwhile', async () => {
    const disk = newDisk(kind);
    const { names, payload, origin } = session;
    const [one, other] = [await session.open(where), await session.open(where)];
    await call(one.realm, 'install', disk, origin);
    await call(one.realm, 'beginUpdate', disk, payload, names);
    expect(await call(other.realm, 'update', disk, payload, names)).toBe('locked');
    expect(await call(other.realm, 'end', disk, 'rollback')).toBe('locked');
    expect(await call(other.realm, 'look', disk)).toBe(names.base);
    expect(await call(one.realm, 'finishUpdate', disk)).toBe('fine');
    expect(await call(other.realm, 'look', disk)).toBe(names.next);
    expect(await call(other.realm, 'end', disk, 'rollback')).toBe('fine');
    expect(await call(one.realm, 'recover', disk)).toEqual({ status: 'settled', fingerprint: names.base });
    for (const { page } of [one, other]) await page.close();
  });

  test('is base when there is no space for an update, and next when there is', async () => {
    const codes: string[] = [];
    for (const megabytes of [2.5, 3, 4, 5, 6, 7, 24]) {
      const disk = newDisk(kind);
      const { names, payload } = session;
      const origin = session.newOrigin();
      // Chromium remembers the quota of a database for a while, so that it has to be there first.
      await session.limit(origin, megabytes * 1e6);
      const { page, realm } = await session.open(where, origin);
      const installed = await call(realm, 'tryToInstall', disk, origin);
      expect(['no-space', 'fine']).toContain(installed);
      if (installed === 'fine') {
        const code = await call<string>(
          realm,
          'update',
          disk,
          payload.replace(session.origin, origin),
          names,
        );
        const { fingerprint } = await call<State>(realm, 'recover', disk);
        expect(fingerprint).toBe(code === 'fine' ? names.next : names.base);
        codes.push(code);
      }
      if (megabytes === 24) expect(await call(realm, 'fill', disk)).toEqual(['no-space', 'fine']);
      await page.close();
    }
    expect(new Set(codes)).toEqual(new Set(['no-space', 'fine']));
    expect(codes.at(-1)).toBe('fine');
  });
});

describe.each(REALMS)('a disk of files in a %s without move()', (where) => {
  test('does all that it does with it', async () => {
    const { page, realm } = await session.open(where);
    await call(realm, 'forgetMove');
    for (const [index, { expected }] of DISK_CASES.entries())
      expect(await call(realm, 'runCase', newDisk('files'), index)).toEqual(expected);
    const disk = newDisk('files');
    const { names, payload, origin } = session;
    await call(realm, 'install', disk, origin);
    expect(await call(realm, 'update', disk, payload, names)).toBe('fine');
    expect(await call(realm, 'look', disk)).toBe(names.next);
    expect(await call(realm, 'namesIn', disk.name)).toEqual({ names: ['model'], canMove: false });
    await page.close();
  });
});

test('a disk of files does not show what a killed browser left of a write, and removes it with the file', async () => {
  const disk = newDisk('files');
  const { page, realm } = await session.open('page');
  await call(realm, 'fill', disk);
  for (const name of ['small.crswap', 'large.crswap']) await call(realm, 'putFile', disk.name, name);
  expect(await call(realm, 'listAll', disk)).toEqual(['small']);
  await call(realm, 'fill', disk);
  expect((await call<{ names: string[] }>(realm, 'namesIn', disk.name)).names).toEqual([
    'small',
    'small.crswap',
  ]);
  await page.close();
});

/** What a browser that is killed while it replaces a file by `new` may leave of the old one. */
const LEFT_OF_OLD: readonly (string | undefined)[] = ['old', '', undefined];

describe.each(REALMS)('a disk of files in a %s, killed while it replaced a file', (where) => {
  test.each(LEFT_OF_OLD)('has the new one, with %j left of the old one', async (old) => {
    const disk = newDisk('files');
    const { page, realm } = await session.open(where);
    const put = async (text: string): Promise<void> => {
      if (old !== undefined) await call(realm, 'putFile', disk.name, 'file', old);
      await call(realm, 'putFile', disk.name, 'file.next.crswap', text);
      await call(realm, 'putFile', disk.name, 'file.scratch.crswap', 'half');
    };
    await put('new');
    expect(await call(realm, 'listAll', disk)).toEqual(['file']);
    expect(await call(realm, 'readText', disk, 'file')).toBe('new');
    await call(realm, 'writeText', disk, 'file', 'N');
    expect(await call(realm, 'readText', disk, 'file')).toBe('New');
    await call(realm, 'rename', disk, 'file', 'other');
    expect(await call(realm, 'listAll', disk)).toEqual(['other']);
    await put('newer');
    await call(realm, 'rename', disk, 'other', 'file');
    expect(await call(realm, 'readText', disk, 'file')).toBe('New');
    await put('newest');
    for (const name of ['file.crswap', 'file.scratch.crswap.crswap'])
      await call(realm, 'putFile', disk.name, name);
    await call(realm, 'remove', disk, 'file');
    expect(await call(realm, 'namesIn', disk.name)).toEqual({ names: [], canMove: true });
    await page.close();
  });
});

test('a disk of files has the old file if a worker keeps it open while a page replaces it', async () => {
  const disk = newDisk('files');
  const { page, realm } = await session.open('page');
  const worker = await session.open('worker');
  await call(realm, 'writeText', disk, 'file', 'old');
  await call(realm, 'writeText', disk, 'draft', 'new');
  await call(worker.realm, 'holdOpen', disk, 'file');
  for (let tries = 0; tries < 2; tries++)
    expect(await call(realm, 'tryToRename', disk, 'draft', 'file')).toBe('locked');
  expect(await call(realm, 'listAll', disk)).toEqual(['draft', 'file']);
  await worker.page.close();
  expect(await call(realm, 'readText', disk, 'file')).toBe('old');
  expect(await call(realm, 'tryToRename', disk, 'draft', 'file')).toBe('fine');
  expect(await call(realm, 'readText', disk, 'file')).toBe('new');
  await page.close();
});

test('a disk of a database lets go of it when another tab takes it to a newer version', async () => {
  const { page, realm } = await session.open('page');
  const codes = ['file-unreadable', 'file-unreadable', 'file-unreadable'];
  expect(await call(realm, 'supersede', newDisk('database'))).toEqual(codes);
  await page.close();
});

describe('without a secure connection', () => {
  const originOf = (): string => session.origin.replace('127.0.0.1', INSECURE_HOST);

  /** The clock of a page that was asleep, or of one that comes after the lease of another has ended. */
  const passLease = (page: Page): Promise<unknown> =>
    page.evaluate('{ const now = Date.now; Date.now = () => now() + 6_000; }');

  /** Opens two tabs, one of which is in the middle of an update. */
  async function beginInOneTab() {
    const { names } = session;
    const disk = newDisk('database');
    const payload = session.payload.replace(session.origin, originOf());
    const { page: one } = await session.open('page', originOf());
    const { page: other } = await session.open('page', originOf());
    await call(one, 'install', disk, originOf());
    await call(one, 'beginUpdate', disk, payload, names);
    return { one, other, disk, payload, names };
  }

  test('there are no private files, and a database does all that it does elsewhere', async () => {
    const { page } = await session.open('page', originOf());
    expect(await page.evaluate('[isSecureContext, typeof navigator.locks]')).toEqual([false, 'undefined']);
    expect(await call(page, 'tryToOpen', newDisk('files'))).toBe('file-unreadable');
    for (const [index, { name, expected }] of DISK_CASES.entries())
      expect(await call(page, 'runCase', newDisk('database'), index), name).toEqual(expected);
    await page.close();
  });

  test('one tab updates a model at a time, and one that is closed leaves its lease for seconds', async () => {
    const { one, other, disk, payload, names } = await beginInOneTab();
    expect(await call(other, 'update', disk, payload, names)).toBe('locked');
    expect(await call(one, 'finishUpdate', disk)).toBe('fine');
    expect(await call(other, 'end', disk, 'rollback')).toBe('fine');
    await call(one, 'beginUpdate', disk, payload, names);
    await one.close();
    expect(await call(other, 'update', disk, payload, names)).toBe('locked');
    await passLease(other);
    expect(await call(other, 'recover', disk)).toEqual({ status: 'settled', fingerprint: names.base });
    expect(await call(other, 'update', disk, payload, names)).toBe('fine');
    await other.close();
  });

  test('a tab that has lost its lease to another one does not write any more', async () => {
    const { one, other, disk, payload, names } = await beginInOneTab();
    await passLease(other);
    expect(await call(other, 'update', disk, payload, names)).toBe('fine');
    expect(await call(one, 'finishUpdate', disk)).toBe('locked');
    expect(await call(other, 'recover', disk)).toEqual({ status: 'trial', fingerprint: names.next });
    for (const page of [one, other]) await page.close();
  });
});
