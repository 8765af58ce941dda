import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { fingerprint } from '../../src/model/fingerprint.js';
import { openMemoryStore } from '../../src/model/store.js';
import { bundleForBrowser } from './bundle.js';
import { type Realm, startWorker } from './chromium.js';
import { type Outcomes, patchCopies } from './patch-copies.js';
import { createBase, createPayloads, DIFFS, deviceFiles } from './samples.js';
import { useChromium } from './session.js';

const base = createBase();
const payloads = await createPayloads(base);
const baseFingerprint = await fingerprint(openMemoryStore(base));
const bundle = await bundleForBrowser('patch-copies.ts');

/** What a device must refuse, and with which code. */
const REFUSALS = { 'other-base': 'wrong-base', 'flipped-bit': 'corrupt-payload', cut: 'corrupt-payload' };

const session = useChromium(async () => ({ bundle, files: deviceFiles(base, payloads) }));
const realms = new Map<string, Realm>();

beforeAll(async () => {
  realms.set('page', session.page).set('worker', await startWorker(session.page, 'device.js'));
});

test('the bundle holds what the package exports to devices, and nothing of Node', () => {
  const own = bundle.inputs.filter((path) => !path.startsWith('node_modules/'));
  expect(own.filter((path) => !path.startsWith('dist/src/'))).toEqual(['test/browser/patch-copies.ts']);
  expect(own).toContain('dist/src/entries/apply.js');
  expect(bundle.inputs.filter((path) => /\/(node|tfjs|train)\//.test(path))).toEqual([]);
});

describe.each(['page', 'worker'])('applyPayload() in a %s of Chromium', (name) => {
  const patch = (payload: string): Promise<Outcomes> => {
    const realm: Pick<Page, 'evaluate'> = realms.get(name) as Realm;
    return realm.evaluate(
      `device.patchCopies(${JSON.stringify(session.server.origin)}, ${JSON.stringify(payload)})`,
    );
  };

  test.each(Object.keys(DIFFS))('gives the same model as Node with a %s payload', async (kind) => {
    const next = payloads.get(`${kind}.ndiff`)?.next as string;
    const outcome = { first: 'applied', second: 'current', fingerprint: next };
    const outcomes = await patch(`${kind}.ndiff`);
    expect(outcomes).toEqual({ folder: outcome, memory: outcome });
    expect(outcomes).toEqual(await patchCopies(session.server.origin, `${kind}.ndiff`));
    expect(next).not.toBe(baseFingerprint);
  });

  test.each(Object.entries(REFUSALS))(
    'refuses a payload with the flaw "%s" as %s and leaves the model alone',
    async (flaw, code) => {
      const outcome = { first: code, second: code, fingerprint: baseFingerprint };
      const outcomes = await patch(`${flaw}.ndiff`);
      expect(outcomes).toEqual({ folder: outcome, memory: outcome });
      expect(outcomes).toEqual(await patchCopies(session.server.origin, `${flaw}.ndiff`));
    },
  );
});
