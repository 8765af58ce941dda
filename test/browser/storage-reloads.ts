import { setTimeout } from 'node:timers/promises';
import { expect } from 'vitest';
import { createRandom } from '../support.js';
import type { DiskKind, State } from './keep-model.js';
import { call, newDisk, type RealmName, type StorageSession } from './storage-session.js';

/** Longer than an update and its rolling back take. */
const LONGEST_MS = 700;

/** What is reloaded, and how often. */
export interface Reloads {
  readonly kind: DiskKind;
  readonly where: RealmName;
  readonly times: number;
  readonly seed: number;
}

/**
 * Updates a model and rolls it back, for ever, in a page that is reloaded or closed at some moment, again and
 * again. After each time the model must be base or next, as its storage says.
 *
 * @returns how often it was which
 */
export async function reloadInBetween(
  session: StorageSession,
  { kind, where, times, seed }: Reloads,
): Promise<{ base: number; next: number }> {
  const disk = newDisk(kind);
  const { names, payload, origin } = session;
  const random = createRandom(seed);
  const found = { base: 0, next: 0 };
  let opened = await session.open(where);
  await call(opened.realm, 'install', disk, origin);
  for (let i = 0; i < times; i++) {
    await call(opened.realm, 'startUpdates', disk, payload, names);
    await setTimeout((random() / 2 ** 32) * LONGEST_MS);
    // Nothing waits for what ends, so that its last writes and the first ones of the next page may meet.
    const { page } = opened;
    const ending = i % 2 === 0 ? page.reload({ waitUntil: 'commit' }) : page.close();
    ending.catch(() => {
      // Pages are closed with the browser at last.
    });
    opened = await session.open(where);
    const { status, fingerprint } = await call<State>(opened.realm, 'recover', disk);
    expect(fingerprint).toBe(status === 'trial' ? names.next : names.base);

    found[status === 'trial' ? 'next' : 'base']++;
    if (status === 'trial') await call(opened.realm, 'end', disk, 'rollback');
  }
  await opened.page.close();
  return found;
}
