import { expect, test } from 'vitest';
import type { Seen } from './follow-releases.js';
import { call, reloadUpdates, useUpdates } from './update-session.js';

const session = useUpdates();

test('a live model in a page has the outputs of the next model, bit for bit, once it was updated', async () => {
  const { base, next } = session;
  const followed = session.follow();
  const { page, seen } = await session.open(followed);
  expect(seen).toEqual({ ...base, status: 'settled', counter: 0, bad: [] });
  expect(await call(page, 'act', 'update')).toBe('updated');
  expect(await call(page, 'look')).toEqual({ ...next, status: 'trial', counter: 0, bad: [] });
  await call(page, 'act', 'confirm');
  expect(await call(page, 'act', 'update')).toBe('current');
  await page.reload();
  expect(await call(page, 'open', followed)).toEqual({ ...next, status: 'settled', counter: 1, bad: [] });
  expect(next.outputs).not.toEqual(base.outputs);
  await page.close();
});

test('a live model that is rolled back has the outputs that it had, and is not updated to the same again', async () => {
  const { base, next } = session;
  const { page } = await session.open(session.follow());
  await call(page, 'act', 'update');
  expect(await call(page, 'act', 'rollback')).toBe('fine');
  const bad = [next.fingerprint];
  expect(await call(page, 'look')).toEqual({ ...base, status: 'settled', counter: 0, bad });
  expect(await call(page, 'act', 'update')).toBe('held-back');
  await page.close();
});

test('a page that is reloaded at any moment of an update has base or next, and gets to next', async () => {
  const found = await reloadUpdates(session, { times: 10, seed: 4 });
  expect(found.base + found.next).toBe(10);
});

test('a second tab gets `locked` while the first one updates, and goes on with base', async () => {
  const { base, next } = session;
  const followed = session.follow();
  const one = (await session.open({ ...followed, isHeld: true })).page;
  const other = (await session.open(followed)).page;
  await call(one, 'begin');
  await call(one, 'testing');
  expect(await call(other, 'act', 'update')).toBe('locked');
  expect(await call(other, 'act', 'rollback')).toBe('locked');
  expect((await call<Seen>(other, 'look')).outputs).toEqual(base.outputs);
  await call(one, 'letGo');
  await call(one, 'end');
  expect(await call(other, 'act', 'update')).toBe('current');
  expect(await call(other, 'look')).toEqual({ ...next, status: 'settled', counter: 1, bad: [] });
  for (const page of [one, other]) await page.close();
});
