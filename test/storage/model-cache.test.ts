import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { openContainer } from '../../src/containers/open-container.js';
import { type NodeDisk, openNodeDisk } from '../../src/node/disk.js';
import { openPayload } from '../../src/payload/open-payload.js';
import { type ModelCache, type ModelCacheOptions, openModelCache } from '../../src/storage/model-cache.js';
import type { SlotStorage } from '../../src/storage/slots.js';
import { codeOf } from '../support.js';
import { makeOnnxPair, type OnnxPair } from './onnx-pair.js';

const ROOT = 'https://example.com/some/model/resolve/main/onnx/';

let folder: string;
let disk: NodeDisk;
/** Addresses that were fetched. */
let fetched: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'neural-diff-cache-'));
  disk = openNodeDisk(folder);
  fetched = [];
});
afterEach(async () => {
  await disk.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Opens the cache, as a page does that starts; a server has the files. */
function open(
  files: ReadonlyMap<string, Uint8Array> = new Map(),
  more: Partial<ModelCacheOptions> = {},
): ModelCache {
  const fetch = async (address: string): Promise<Response> => {
    fetched.push(address);
    const bytes = files.get(address.slice(address.lastIndexOf('/') + 1));
    return bytes ? new Response(bytes.slice()) : new Response('', { status: 404 });
  };
  return openModelCache({ disk, openModel: openContainer, fetch, ...more });
}

async function bytesOf(response: Response | undefined): Promise<Uint8Array | undefined> {
  return response && new Uint8Array(await response.arrayBuffer());
}

async function update(storage: SlotStorage, payload: Uint8Array): Promise<void> {
  const { base, next } = (await openPayload(payload)).header;
  await storage.update(async (store) => void (await applyPayload(store, payload)), { base, next });
  await storage.confirm();
}

async function expectKept(cache: ModelCache, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  for (const [name, bytes] of files)
    expect(await bytesOf(await cache.match(ROOT + name)), name).toEqual(bytes);
}

describe.each([
  ['in one file', false],
  ['with external data', true],
])('a model %s', (_, isExternal) => {
  let pair: OnnxPair;
  beforeEach(async () => {
    pair = await makeOnnxPair('model.onnx', isExternal);
  });

  test('that a library has kept is updated, and the next match gives the new files', async () => {
    const cache = open();
    for (const [name, bytes] of pair.base) await cache.put(ROOT + name, new Response(bytes.slice()));
    await expectKept(cache, pair.base);
    const storage = await cache.storage(`${ROOT}model.onnx`);
    await expectKept(cache, pair.base);
    await update(storage, pair.payload);
    await expectKept(cache, pair.next);
    await expectKept(open(), pair.next);
    expect(fetched).toEqual([]);
  });

  test('is fetched where it is not kept, and read for a session', async () => {
    const cache = open(pair.base);
    const load = async (of: ModelCache) => {
      const { model, externalData } = await of.load(`${ROOT}model.onnx`);
      return new Map([['model.onnx', model], ...externalData.map(({ path, data }) => [path, data] as const)]);
    };
    expect(await load(cache)).toEqual(pair.base);
    expect(fetched.sort()).toEqual([...pair.base.keys()].map((name) => ROOT + name).sort());
    await update(await cache.storage(`${ROOT}model.onnx`), pair.payload);
    expect(await load(open(pair.base))).toEqual(pair.next);
    expect(fetched.length).toBe(pair.base.size);
  });

  test('that is kept again stays as updates have left it', async () => {
    const cache = open(pair.base);
    await update(await cache.storage(`${ROOT}model.onnx`), pair.payload);
    for (const [name, bytes] of pair.base) await cache.put(ROOT + name, new Response(bytes.slice()));
    await expectKept(cache, pair.next);
  });
});

test('an installation that is interrupted at any write begins again, and nothing is lost', async () => {
  const { base } = await makeOnnxPair('model.onnx', true);
  for (let at = 0, isStopped = true; isStopped; at++) {
    const cache = open(base, { folder: `cache-${at}` });
    for (const [name, bytes] of base) await cache.put(ROOT + name, new Response(bytes.slice()));
    let writes = 0;
    const orStop = <T>(act: () => Promise<T>): Promise<T> =>
      writes++ < at ? act() : Promise.reject(new Error('the tab is closed'));
    const stopping: typeof disk = {
      ...disk,
      write: (...args) => orStop(() => disk.write(...args)),
      rename: (...args) => orStop(() => disk.rename(...args)),
      remove: (...args) => orStop(() => disk.remove(...args)),
    };
    const closed = open(base, { folder: `cache-${at}`, disk: stopping });
    await closed.storage(`${ROOT}model.onnx`).catch(() => undefined);
    isStopped = writes > at;
    await expectKept(cache, base);
    expect(await (await cache.storage(`${ROOT}model.onnx`)).recover()).toBe('settled');
    await expectKept(cache, base);
  }
  expect(fetched).toEqual([]);
});

test('files are kept whole or not at all, under addresses of any kind', async () => {
  const cache = open();
  const addresses = [
    'config.json',
    '/models/a/config.json',
    '../../up',
    'https://example.com/a?revision=1',
    'https://example.com/a?revision=2',
    `https://example.com/${'long/'.repeat(1_000)}`,
    'https://example.com/größe',
    '',
  ];
  for (const [i, address] of addresses.entries()) await cache.put(address, new Response(`${i}`));
  for (const [i, address] of addresses.entries()) {
    const response = await cache.match({ url: address });
    expect([await response?.text(), response?.headers.get('content-length')]).toEqual([`${i}`, '1']);
  }
  const broken = new ReadableStream({
    start: (controller) => controller.enqueue(new Uint8Array(10)),
    pull: () => Promise.reject(new Error('connection lost')),
  });
  await expect(cache.put('broken', new Response(broken))).rejects.toThrow('connection lost');
  expect(await cache.match('broken')).toBeUndefined();
  await cache.put('broken', new Response('whole'));
  expect(await (await cache.match('broken'))?.text()).toBe('whole');
  await cache.put('empty', new Response());
  expect(await bytesOf(await cache.match('empty'))).toEqual(new Uint8Array(0));
  expect((await disk.list('')).filter((path) => path.endsWith('.new'))).toEqual([]);
});

test('a large file is read piece by piece, as the reader asks for it', async () => {
  const bytes = Uint8Array.from({ length: 5_000_000 }, (_, i) => i * 7);
  let read = 0;
  const counting: typeof disk = {
    ...disk,
    readInto: async (path, offset, target) => {
      read += target.length;
      await disk.readInto(path, offset, target);
    },
  };
  const cache = open(new Map(), { disk: counting });
  await cache.put('large', new Response(bytes));
  const reader = ((await cache.match('large')) as Response).body?.getReader();
  expect((await reader?.read())?.value?.length).toBeLessThan(2_000_000);
  expect(read).toBeLessThan(4_000_000);
  await reader?.cancel();
  expect(await bytesOf(await cache.match('large'))).toEqual(bytes);
});

test('what is missing or no model is refused by a code, and can be tried again', async () => {
  const { base } = await makeOnnxPair('model.onnx', true);
  const files = new Map(base);
  files.delete('model.onnx_data');
  const cache = open(files);
  expect(await codeOf(() => cache.storage(`${ROOT}none.onnx`))).toBe('network');
  expect(await codeOf(() => cache.load(`${ROOT}model.onnx`))).toBe('network');
  files.set('model.onnx_data', base.get('model.onnx_data') as Uint8Array);
  expect((await cache.load(`${ROOT}model.onnx`)).externalData.length).toBe(1);
  await cache.put('text.onnx', new Response('no model'));
  expect(await codeOf(() => cache.storage('text.onnx'))).toBe('bad-model');
  expect(await (await cache.match('text.onnx'))?.text()).toBe('no model');
  expect(await codeOf(() => cache.storage('https://example.com/..'))).toBe('unsafe-path');
});

test('a model whose slots are gone is installed again', async () => {
  const { base } = await makeOnnxPair('model.onnx', true);
  const cache = open(base);
  await cache.storage(`${ROOT}model.onnx`);
  for (const path of await disk.list('cache/models')) await disk.remove(path);
  expect(await cache.match(`${ROOT}model.onnx`)).toBeUndefined();
  await cache.put(`${ROOT}model.onnx`, new Response(base.get('model.onnx')?.slice()));
  expect((await cache.load(`${ROOT}model.onnx`)).externalData.length).toBe(1);
  await expectKept(cache, base);
  expect(fetched.length).toBe(3);
});

test('match() finds nothing where the disk fails, and tells of it', async () => {
  const errors: unknown[] = [];
  const failing = { ...disk, size: () => Promise.reject(new Error('no storage')) };
  const cache = open(new Map(), { disk: failing, onError: (error) => errors.push(error) });
  expect(await cache.match('a')).toBeUndefined();
  expect(String(errors)).toBe('Error: no storage');
});

test('two tabs that keep the same file, or install the same model, do it once', async () => {
  const { base } = await makeOnnxPair('model.onnx', false);
  const [one, two] = [open(base), open(base)];
  await Promise.all([one, two].map((cache) => cache.put('a', new Response('same'))));
  expect(await (await one.match('a'))?.text()).toBe('same');
  const found = await Promise.allSettled([one, two].map((cache) => cache.storage(`${ROOT}model.onnx`)));
  const codes = found.map((each) => (each.status === 'rejected' ? each.reason.code : 'fine')).sort();
  expect(codes[0]).toBe('fine');
  expect(['fine', 'locked']).toContain(codes[1]);
  expect(await (await two.storage(`${ROOT}model.onnx`)).recover()).toBe('settled');
});
