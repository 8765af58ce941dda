import { createHash } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type DescribedModel, goldenFacts, goldenModel, goldenPayload } from '../golden/facts.js';
import { concat } from '../support.js';
import { bundleForBrowser } from './bundle.js';
import { startWorker } from './chromium.js';
import { useChromium } from './session.js';
import { call, KINDS, newDisk, REALMS } from './storage-session.js';

/** Those that keep the name of the model's main file. */
const GOLDEN = ['grown', 'kept-coded-new', 'several-files'];

interface FilesFacts {
  readonly base: DescribedModel & { structure: string };
  readonly next: { fingerprint: string; files: { path: string; bytes: string }[] };
}

const fromHex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, 'hex'));
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const factsOf = (name: string) => goldenFacts<FilesFacts>(`files/${name}`);

/** @returns the base's one file: its tensors lie behind all of its structure */
function baseFile({ base }: FilesFacts): Uint8Array {
  return concat(fromHex(base.structure), ...goldenModel(base).tensors.map(({ bytes }) => bytes));
}

const session = useChromium(async () => ({
  bundle: await bundleForBrowser('keep-files.ts'),
  files: GOLDEN.flatMap((name): [string, Uint8Array][] => [
    [`${name}/base`, baseFile(factsOf(name))],
    [`${name}/payload.ndiff`, goldenPayload(`files/${name}`)],
  ]),
}));

interface Found {
  readonly status: string;
  readonly files: Record<string, string>;
}

const CASES = GOLDEN.flatMap((name) =>
  KINDS.flatMap((kind) => REALMS.map((where) => ({ name, kind, where }))),
);

/** @returns the names of the model, where its files are, and their SHA-256 before and after */
function expectedOf(name: string) {
  const facts = factsOf(name);
  return {
    from: `${session.server.origin}/${name}`,
    names: { base: facts.base.fingerprint, next: facts.next.fingerprint },
    before: { 'm.safetensors': sha256(baseFile(facts)) },
    after: Object.fromEntries(facts.next.files.map(({ path, bytes }) => [path, sha256(fromHex(bytes))])),
  };
}

test.each(CASES)('golden payload "$name" makes its files on a disk of $kind in a $where', async (each) => {
  const { from, names, before, after } = expectedOf(each.name);
  const { page } = session;
  const realm = each.where === 'page' ? page : await startWorker(page, 'device.js');
  const disk = newDisk(each.kind);
  await call(realm, 'install', disk, from);
  expect(await call<Found>(realm, 'recover', disk)).toEqual({ status: 'settled', files: before });
  await call(realm, 'update', disk, from, names);
  expect(await call<Found>(realm, 'recover', disk)).toEqual({ status: 'trial', files: after });
});

test.each(KINDS)('files of base or next are there when the page is reloaded: a disk of %s', async (kind) => {
  const { from, names, before, after } = expectedOf('several-files');
  const { page } = session;
  for (let wait = 0; wait < 60; wait += 4) {
    const disk = newDisk(kind);
    await call(page, 'install', disk, from);
    await call(page, 'startUpdate', disk, from, names);
    await setTimeout(wait);
    await page.reload();
    let found = await call<Found>(page, 'recover', disk);
    expect(found.files).toEqual(found.status === 'trial' ? after : before);
    if (found.status === 'trial') continue;
    // The same update again finishes.
    await call(page, 'update', disk, from, names);
    found = await call<Found>(page, 'recover', disk);
    expect(found).toEqual({ status: 'trial', files: after });
  }
});
