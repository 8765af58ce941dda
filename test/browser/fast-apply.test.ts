import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { bundleForBrowser } from './bundle.js';
import { type Realm, startWorker } from './chromium.js';
import { type FastOutcome, patchFast } from './patch-fast.js';
import { createBase, createPayloads, DIFFS, deviceFiles } from './samples.js';
import { useChromium } from './session.js';

const base = createBase();
const payloads = await createPayloads(base);
const bundle = await bundleForBrowser('patch-fast.ts');

const session = useChromium(async () => ({ bundle, files: deviceFiles(base, payloads) }));
const realms = new Map<string, Realm>();

beforeAll(async () => {
  realms.set('page', session.page).set('worker', await startWorker(session.page, 'device.js'));
});

describe.each(['page', 'worker'])('createPatcher() in a %s of Chromium', (name) => {
  test.each(Object.keys(DIFFS))('is fast and gives the promised model with a %s payload', async (kind) => {
    const realm: Pick<Page, 'evaluate'> = realms.get(name) as Realm;
    const call = `device.patchFast(${JSON.stringify(session.server.origin)}, ${JSON.stringify(`${kind}.ndiff`)})`;
    const outcome = await realm.evaluate<FastOutcome>(call);
    const next = payloads.get(`${kind}.ndiff`)?.next as string;
    expect(outcome).toEqual({ isFast: true, status: 'applied', fingerprint: next });
    expect(outcome).toEqual(await patchFast(session.server.origin, `${kind}.ndiff`));
  });
});
