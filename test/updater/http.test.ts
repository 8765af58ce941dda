import { createHash } from 'node:crypto';
import { afterAll, beforeEach, expect, test } from 'vitest';
import type { SignedFile } from '../../src/release/statement.js';
import { setDeadline } from '../../src/updater/deadline.js';
import { download } from '../../src/updater/download.js';
import { openHttpSource, type UpdateSource } from '../../src/updater/http-source.js';
import { createFaultyDisk } from '../rig/faulty-disk.js';
import { type HostileServer, startHostileServer } from '../rig/hostile-server.js';
import { codeOf, errorOf, seededBytes } from '../support.js';
import { Fleet } from './fleet.js';

const BYTES = 400_000;
const content = seededBytes(4, BYTES);
const file: SignedFile = {
  name: 'v2.ndiff',
  bytes: BYTES,
  sha256: createHash('sha256').update(content).digest('hex'),
};
const servers: HostileServer[] = [];
let server: HostileServer;
let location: { disk: ReturnType<typeof createFaultyDisk>; folder: string };

beforeEach(async () => {
  server = await startHostileServer(new Map([['targets/v2', content]]));
  servers.push(server);
  location = { disk: createFaultyDisk(), folder: 'updates' };
});
afterAll(() => Promise.all(servers.map((each) => each.close())));

const fetchFile = (signal?: AbortSignal): Promise<string> =>
  download({
    source: openHttpSource({ url: server.url, stallMs: 200 }),
    location,
    path: 'targets/v2',
    file,
    waitMs: () => 1,
    signal,
  });

const expectWhole = async (): Promise<void> => {
  expect(Buffer.compare(location.disk.content(await fetchFile()), content)).toBe(0);
};

test('a file comes whole, in one request', async () => {
  await expectWhole();
  expect(server.requests).toEqual([{ path: 'targets/v2', offset: 0 }]);
  expect(server.bytesSent).toBe(BYTES);
});

test('a transfer that is interrupted repeatedly resumes where it stopped', async () => {
  server.tricks = { cutAfter: 65_536 };
  await expectWhole();
  const offsets = server.requests.map(({ offset }) => offset);
  expect(offsets.length).toBeGreaterThan(6);
  expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
  // What was on its way when a connection broke may have to come again.
  expect(server.bytesSent).toBeLessThan(1.5 * BYTES);
});

test('a restarted program resumes where the last one stopped', async () => {
  server.tricks = { cutAfter: 100_000 };
  const stop = new AbortController();
  const first = download({
    source: openHttpSource({ url: server.url }),
    location,
    path: 'targets/v2',
    file,
    signal: stop.signal,
    onProgress: (done) => {
      if (done > 50_000) stop.abort(new Error('enough'));
    },
  });
  await expect(first).rejects.toThrow('enough');
  server.tricks = {};
  await expectWhole();
  expect(server.requests.at(-1)?.offset).toBeGreaterThanOrEqual(50_000);
});

test('a server that ignores ranges is read from the start', async () => {
  await location.disk.write(`updates/downloads/${file.sha256}`, 0, content.subarray(0, 1_000));
  server.tricks = { ignoresRanges: true };
  await expectWhole();
  expect(server.requests.at(-1)?.offset).toBe(1_000);
});

test.each([
  ['network', { status: 500 }],
  ['network', { status: 403 }],
  ['network', { cutAfter: 0 }],
  ['network', { stallAfter: 0 }],
  ['network', { ignoresRanges: true, cutAfter: 50_000 }],
  ['payload-mismatch', { isEndless: true }],
  ['payload-mismatch', { flipsAt: 333_333 }],
] as const)('%s for a server that does %j', async (code, tricks) => {
  server.tricks = tricks;
  expect(await codeOf(() => fetchFile())).toBe(code);
  server.tricks = {};
  await expectWhole();
});

test('a part that is not the one that was asked for is not taken', async () => {
  await location.disk.write(`updates/downloads/${file.sha256}`, 0, content.subarray(0, 9_000));
  server.tricks = { shiftsRanges: true };
  expect(await codeOf(() => fetchFile())).toBe('network');
});

test('a part whose offset is hidden is trusted, and the digest detects a wrong one', async () => {
  const bare: typeof fetch = async (...asked) => {
    const { body, status } = await fetch(...asked);
    return new Response(body, { status });
  };
  const source = openHttpSource({ url: server.url, fetch: bare });
  const job = { source, location, path: 'targets/v2', file, waitMs: () => 1 };
  for (const [tricks, offsets] of [
    [{}, [9_000]],
    [{ shiftsRanges: true }, [9_000, 0]],
  ] as const) {
    await location.disk.remove(`updates/downloads/${file.sha256}`);
    await location.disk.write(`updates/downloads/${file.sha256}`, 0, content.subarray(0, 9_000));
    server.tricks = tricks;
    const before = server.requests.length;
    expect(Buffer.compare(location.disk.content(await download(job)), content)).toBe(0);
    expect(server.requests.slice(before).map(({ offset }) => offset)).toEqual(offsets);
  }
});

test('a partial file that is damaged, or of another file, heals itself', async () => {
  for (const partial of [seededBytes(5, 5_000), seededBytes(6, BYTES), seededBytes(7, BYTES + 10)]) {
    await location.disk.remove(`updates/downloads/${file.sha256}`);
    await location.disk.write(`updates/downloads/${file.sha256}`, 0, partial);
    await expectWhole();
  }
});

test('a whole file that is there is not fetched again', async () => {
  await expectWhole();
  await expectWhole();
  expect(server.requests).toHaveLength(1);
});

test('metadata that are longer than allowed are not read to their end', async () => {
  server.tricks = { isEndless: true };
  const source = openHttpSource({ url: server.url });
  expect(await codeOf(() => source.fetch('targets/v2', { maxBytes: 500_000 }))).toBe('limit-exceeded');
  expect(await source.fetch('targets/none', { maxBytes: 10 })).toBeUndefined();
  server.tricks = { status: 503 };
  expect(await codeOf(() => source.fetch('targets/none', { maxBytes: 10 }))).toBe('network');
});

test('metadata that come a byte at a time end with `network` at the deadline, and so do sources that do not listen', async () => {
  const fleet = await Fleet.start(2);
  await fleet.release(1);
  const web = await startHostileServer(fleet.publisher.files.files, { dripMs: 20 });
  servers.push(web);
  const device = await fleet.device();
  const deaf = { ...fleet.source(), fetch: () => new Promise<undefined>(() => {}) };
  for (const source of [openHttpSource({ url: web.url, stallMs: 10_000 }), deaf]) {
    const error = await errorOf(() => device.updater({ source, metadataMs: 200 }).check());
    expect([error.code, error.message]).toEqual(['network', expect.stringContaining('longer than 200 ms')]);
  }
  const sent = web.bytesSent;
  expect(sent).toBeGreaterThan(0);
  expect(sent).toBeLessThan(200);
  const stop = new AbortController();
  const stopped = device.updater({ source: deaf }).check({ signal: stop.signal });
  stop.abort(new Error('enough'));
  await expect(stopped).rejects.toThrow('enough');
  // It is one deadline for all files, and gone once they are there.
  web.tricks = {};
  const updater = device.updater({ source: openHttpSource({ url: web.url }), metadataMs: 2_000 });
  expect((await updater.update()).status).toBe('updated');
});

test.each([
  ['comes a byte at a time', { dripMs: 5 }],
  ['is cut after each byte', { cutAfter: 1 }],
])(
  'a download that %s ends with `network` after a window below the minimum rate, and is resumed',
  async (_, tricks) => {
    server.tricks = tricks;
    const job = { source: openHttpSource({ url: server.url }), location, path: 'targets/v2', file };
    const slow = { ...job, waitMs: () => 1, minBytesPerSecond: 10_000, rateWindowMs: 300 };
    const error = await errorOf(() => download(slow));
    expect([error.code, error.message]).toEqual([
      'network',
      expect.stringMatching(/^Cannot fetch "v2.ndiff": expected at least 3000 bytes in 300 ms, got \d+$/),
    ]);
    const kept = (await location.disk.size(`updates/downloads/${file.sha256}`)) as number;
    expect(kept).toBeGreaterThan(0);
    server.tricks = {};
    await expectWhole();
    expect(server.requests.at(-1)?.offset).toBe(kept);
  },
);

test('the downloads of an update have a deadline together, also those of a source that does not listen', async () => {
  const fleet = await Fleet.start(2);
  await fleet.release(1);
  const web = await startHostileServer(fleet.publisher.files.files);
  servers.push(web);
  const device = await fleet.device();
  const deaf = {
    ...fleet.source(),
    async open(...asked: Parameters<UpdateSource['open']>) {
      const { offset } = await fleet.source().open(...asked);
      async function* pieces() {
        yield new Uint8Array(1);
        await new Promise(() => {});
      }
      return { offset, pieces: pieces() };
    },
  };
  for (const source of [openHttpSource({ url: web.url }), deaf]) {
    web.tricks = {};
    const { plan } = await device.updater({ source }).check();
    web.tricks = { dripMs: 20 };
    const error = await errorOf(() => device.updater({ source, downloadMs: 150 }).update(plan));
    expect([error.code, error.message]).toEqual(['network', expect.stringContaining('longer than 150 ms')]);
  }
  web.tricks = {};
  const updater = device.updater({ source: openHttpSource({ url: web.url }) });
  expect((await updater.update()).status).toBe('updated');
});

test('a device updates over a web server', async () => {
  const fleet = await Fleet.start(2);
  await fleet.release(1);
  const web = await startHostileServer(fleet.publisher.files.files);
  servers.push(web);
  const device = await fleet.device();
  const updater = device.updater({ source: openHttpSource({ url: `${web.url}/` }) });
  const { plan } = await updater.check();
  web.tricks = { cutAfter: 40 };
  await updater.update(plan);
  await updater.confirm();
  expect((await updater.status()).fingerprint).toBe(fleet.version(1).name);
});

test('limits that are no limits, and longer ones than timers take, are waited for', async () => {
  server.tricks = { dripMs: 1 };
  for (const limit of [Number.POSITIVE_INFINITY, 2 ** 40]) {
    const source = openHttpSource({ url: server.url, stallMs: limit });
    const deadline = setDeadline({ milliseconds: limit, action: 'fetch' });
    const piece = deadline.within(async (signal) => {
      const { pieces } = await source.open('targets/v2', { offset: BYTES - 30, signal });
      let got = 0;
      for await (const { length } of pieces) got += length;
      return got;
    });
    expect(await piece).toBe(30);
    deadline.end();
  }
});
