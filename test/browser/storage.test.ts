import { beforeAll, describe, expect, test } from 'vitest';
import { DISK_CASES } from '../storage/disk-cases.js';
import type { Realm } from './chromium.js';
import type { State } from './keep-model.js';
import { call, KINDS, newDisk, REALMS, useStorage } from './storage-session.js';

const session = useStorage();

describe.each(REALMS)('in a %s of Chromium', (where) => {
  let realm: Realm;
  beforeAll(async () => {
    ({ realm } = await session.open(where));
  });

  describe.each(KINDS)('a disk of %s', (kind) => {
    test.each(DISK_CASES.map((each, index) => ({ ...each, index })))('$name', async ({ index, expected }) => {
      expect(await call(realm, 'runCase', newDisk(kind), index)).toEqual(expected);
    });

    test('refuses unsafe paths', async () => {
      expect(await call(realm, 'refuseUnsafe', newDisk(kind))).toEqual(['unsafe-path']);
    });

    test('keeps a model twice: it is on trial, confirmed, and rolled back', async () => {
      const disk = newDisk(kind);
      const { names, payload, origin } = session;
      const recovered = (): Promise<State> => call(realm, 'recover', disk);
      await call(realm, 'install', disk, origin);
      expect(await recovered()).toEqual({ status: 'settled', fingerprint: names.base });
      expect(await call(realm, 'update', disk, payload, names)).toBe('fine');
      expect(await recovered()).toEqual({ status: 'trial', fingerprint: names.next });
      expect(await call(realm, 'update', disk, payload, names)).toBe('on-trial');
      expect(await call(realm, 'end', disk, 'rollback')).toBe('fine');
      expect(await recovered()).toEqual({ status: 'settled', fingerprint: names.base });
      expect(await call(realm, 'update', disk, payload, names)).toBe('fine');
      expect(await call(realm, 'end', disk, 'confirm')).toBe('fine');
      expect(await recovered()).toEqual({ status: 'settled', fingerprint: names.next });
    });
  });
});
