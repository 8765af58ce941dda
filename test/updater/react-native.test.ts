// React Native's `AbortSignal` has neither `reason` nor `throwIfAborted`, and its `fetch` no `body`.
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { download } from '../../src/updater/download.js';
import { openHttpSource } from '../../src/updater/http-source.js';
import { createFaultyDisk } from '../rig/faulty-disk.js';
import { type HostileServer, startHostileServer } from '../rig/hostile-server.js';
import { codeOf, seededBytes } from '../support.js';

class BareSignal extends EventTarget {
  aborted = false;
}

class BareController {
  readonly signal = new BareSignal() as unknown as AbortSignal;

  abort(): void {
    (this.signal as unknown as BareSignal).aborted = true;
    this.signal.dispatchEvent(new Event('abort'));
  }
}

const runtimeController = AbortController;

/** Gives bodies as a whole, and a reason of its own for an aborted request. */
const bareFetch: typeof fetch = async (address, init) => {
  const inner = new runtimeController();
  if (init?.signal?.aborted) inner.abort();
  init?.signal?.addEventListener('abort', () => inner.abort());
  const response = await fetch(address, { ...init, signal: inner.signal });
  const { status, headers, url } = response;
  return { status, headers, url, arrayBuffer: () => response.arrayBuffer() } as unknown as Response;
};

const content = seededBytes(4, 300_000);
const file = {
  name: 'v2.ndiff',
  bytes: content.length,
  sha256: createHash('sha256').update(content).digest('hex'),
};
let server: HostileServer;

beforeEach(async () => {
  server = await startHostileServer(new Map([['targets/v2', content]]));
  vi.stubGlobal('AbortController', BareController);
});
afterEach(async () => {
  vi.unstubAllGlobals();
  await server.close();
});

const fetchFile = (signal?: AbortSignal): Promise<Uint8Array> => {
  const disk = createFaultyDisk();
  const source = openHttpSource({ url: server.url, fetch: bareFetch, stallMs: 200 });
  const job = { source, location: { disk, folder: 'updates' }, path: 'targets/v2', file, signal };
  return download({ ...job, waitMs: () => 1 }).then((path) => disk.content(path));
};

test('a file comes whole', async () => {
  expect(Buffer.compare(await fetchFile(), content)).toBe(0);
});

test('metadata come whole, and an empty file has no bytes', async () => {
  const source = openHttpSource({ url: server.url, fetch: bareFetch });
  expect(await source.fetch('targets/v2', { maxBytes: 300_000 })).toEqual(content);
  expect(await codeOf(() => source.fetch('targets/v2', { maxBytes: 299_999 }))).toBe('limit-exceeded');
  expect(await source.fetch('targets/none', { maxBytes: 10 })).toBeUndefined();
});

test('a stall is tried again, and at last `network`', async () => {
  server.tricks = { stallAfter: 0 };
  expect(await codeOf(() => fetchFile())).toBe('network');
  expect(server.requests.length).toBeGreaterThan(1);
});

test('what is cancelled ends with an `AbortError`', async () => {
  server.tricks = { stallAfter: 0 };
  const controller = new BareController();
  setTimeout(() => controller.abort(), 50);
  await expect(fetchFile(controller.signal)).rejects.toMatchObject({ name: 'AbortError' });
  await expect(fetchFile(controller.signal)).rejects.toMatchObject({ name: 'AbortError' });
});
