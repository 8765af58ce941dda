import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NeuralDiffError } from '../../src/model/errors.js';
import type { Json, JsonObject } from '../../src/release/json.js';
import { TRUST_LIMITS } from '../../src/release/limits.js';
import { openHttpSource, type UpdateSource } from '../../src/updater/http-source.js';
import type { UpdaterOptions } from '../../src/updater/updater.js';
import { envelope, sampleStatement, sha256Hex, TestRepository, targetOf, testKey } from '../release/maker.js';
import { startHostileServer, type Tricks } from '../rig/hostile-server.js';
import { createRandom } from '../support.js';
import { type Device, Fleet, Device as FleetDevice } from '../updater/fleet.js';
import { mutate } from './mutate.js';
import { type HostileCase, tryCases } from './try-cases.js';

/** Mutations of each file of a repository. */
const RUNS = 600;

/** Milliseconds that a case may take: updates here have short timeouts. */
const CASE_MS = 5_000;

type Files = ReadonlyMap<string, Uint8Array>;

let fleet: Fleet;
let clean: Device;
let baseBytes: string;
let files: Files;
const servers: { close(): unknown }[] = [];

beforeAll(async () => {
  fleet = await Fleet.start(2);
  await fleet.release(1);
  files = new Map(fleet.publisher.files.files);
  clean = await fleet.device();
  baseBytes = contentOf(clean);
});
afterAll(() => Promise.all(servers.map((server) => server.close())));

/** @returns the device's model, as its disk has it */
function contentOf({ disk }: Device): string {
  return Buffer.from(disk.content('model.safetensors')).toString('base64');
}

const memorySource = (repository: Files): UpdateSource => ({
  fetch: async (path) => repository.get(path),
  async open(path, { offset }) {
    const bytes = repository.get(path);
    if (bytes === undefined) throw new NeuralDiffError('network', `no ${path}`);
    async function* pieces() {
      yield (bytes as Uint8Array).subarray(offset);
    }
    return { offset, pieces: pieces() };
  },
});

/** Lets a fresh device update itself: whatever is refused leaves its model as it is, to the byte. */
async function attempt(source: UpdateSource, options: Partial<UpdaterOptions> = {}): Promise<string> {
  const device = new FleetDevice(fleet, { disk: clean.disk.clone({}), kind: clean.kind });
  const updater = device.updater({ source, metadataMs: 1_000, downloadMs: 1_000, ...options });
  try {
    const { fingerprint } = await updater.update();
    if (![fleet.version(0).name, fleet.version(1).name].includes(fingerprint))
      throw new Error(`the device has a model that was not published: ${fingerprint}`);
    return fingerprint;
  } catch (error) {
    if (contentOf(device) !== baseBytes) throw new Error('the refused update changed the model');
    await updater.start();
    if (contentOf(device) !== baseBytes) throw new Error('the recovery changed the model');
    throw error;
  }
}

/** @returns cases by name, all of which must be refused */
function* casesOf(runs: Readonly<Record<string, () => Promise<unknown>>>): Generator<HostileCase> {
  for (const [name, run] of Object.entries(runs)) yield { name, run };
}

test(`${RUNS} mutations of each file of a repository leave base or next`, async () => {
  const target = [...files.keys()].find((path) => path.endsWith('.v1.ndiff')) as string;
  const names = ['metadata/timestamp.json', 'metadata/2.snapshot.json', 'metadata/2.targets.json', target];
  const sources = new Map(names.map((path) => [path, files.get(path) as Uint8Array]));
  sources.set('metadata/2.root.json', files.get('metadata/1.root.json') as Uint8Array);
  for (const [path, bytes] of sources) {
    const random = createRandom(path.length);
    const run = () => attempt(memorySource(new Map([...files, [path, mutate(bytes, random)]])));
    const cases = Array.from({ length: RUNS }, (_, i) => ({ name: `${path}, mutation ${i}`, run }));
    const { refused } = await tryCases(`repository, ${path}`, cases, { limitMs: CASE_MS });
    // Few changes mean the same: in spaces, or one that undoes another.
    expect(Object.values(refused).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0.9 * RUNS);
  }
});

/** Documents that are no metadata, or far too much of it. */
const DOCUMENTS: Readonly<Record<string, string>> = {
  nothing: '',
  'a number': '1e999',
  '100,000 lists in each other': '['.repeat(100_000),
  '100,000 lists in each other, closed': '['.repeat(100_000) + ']'.repeat(100_000),
  '20,000 objects in each other': `{"signatures":[],"signed":${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}}`,
  'duplicate names': '{"signatures":[],"signatures":[],"signed":{"a":1},"signed":{"a":1,"a":2}}',
  ['__proto__']: '{"signatures":[],"signed":{"__proto__":{"version":1}},"__proto__":{}}',
  'a long text': `{"signatures":[],"signed":{"a":"${'x'.repeat(400_000)}"}}`,
  'many signatures': `{"signatures":[${Array(64).fill('{"keyid":"a","sig":"00"}')}],"signed":{}}`,
  'too many signatures': `{"signatures":[${Array(5_000).fill('{"keyid":"a","sig":"00"}')}],"signed":{}}`,
  'huge numbers': '{"signatures":[],"signed":{"version":9007199254740993,"expires":1e400}}',
  '10 MB of spaces': ' '.repeat(10_000_000),
  'lone surrogates': '{"signatures":[],"signed":{"\\ud800":"\\udfff"}}',
};

test('documents of every odd form in place of each file are refused', async () => {
  for (const role of ['2.root', 'timestamp', '2.snapshot', '2.targets']) {
    const runs = Object.entries(DOCUMENTS).map(([name, text]) => {
      const path = `metadata/${role}.json`;
      const changed = new Map([...files, [path, new TextEncoder().encode(text)]]);
      return [`${role}: ${name}`, () => attempt(memorySource(changed))] as const;
    });
    const { accepted } = await tryCases(`documents as ${role}`, casesOf(Object.fromEntries(runs)), {
      limitMs: CASE_MS,
    });
    expect(accepted).toBe(0);
  }
});

/** Fields that the right keys sign, as only a maker could. */
const SIGNED: Readonly<Record<string, Json>> = {
  'a negative number': -1,
  zero: 0,
  'the largest number': Number.MAX_SAFE_INTEGER,
  'a text': '1',
  'a long text': 'x'.repeat(10_000),
  null: null,
  'a list': [1, [2, [3]]],
  'an object': { version: 1, constructor: 1, toString: 'x' },
  'a date that is none': '2027-02-31T00:00:00Z',
  'a path': '../../../etc/passwd',
};

/** Lets a device update itself from a test repository, with its first root. */
function attemptFrom(repository: TestRepository, options: Partial<UpdaterOptions> = {}): Promise<string> {
  const named = Array.from(repository.files, ([name, bytes]) => [`metadata/${name}`, bytes] as const);
  const root = repository.files.get('1.root.json') as Uint8Array;
  return attempt(memorySource(new Map(named)), { root, now: repository.clock.now, ...options });
}

test('values of every odd form in each signed field give typed errors', async () => {
  const { base, formatVersion, ...plain } = sampleStatement();
  const statement = targetOf({
    ...plain,
    base: fleet.version(0).name,
    formatVersion: 1,
    next: fleet.version(1).name,
  });
  const valid = (statement['v2.ndiff'] as { custom: Record<string, JsonObject> }).custom[
    'neural-diff'
  ] as JsonObject;
  const fields = [...Object.keys(valid), 'golden', 'deviceClasses', 'allowsRollbackFrom'];
  const cases: HostileCase[] = [];
  const add = (name: string, change: (repository: TestRepository, value: Json) => void): void => {
    for (const [kind, value] of Object.entries(SIGNED))
      cases.push({
        name: `${name}: ${kind}`,
        run: () => {
          const repository = new TestRepository();
          change(repository, value);
          return attemptFrom(repository);
        },
      });
  };
  for (const field of ['targets', 'version', 'expires', '_type', 'spec_version'])
    add(`targets.${field}`, (repository, value) => {
      const list = repository.put('targets', { targets: {}, [field]: value });
      repository.put('timestamp', {
        meta: { 'snapshot.json': repository.put('snapshot', { meta: { 'targets.json': list } }) },
      });
    });
  for (const field of ['length', 'hashes', 'custom'])
    add(`target.${field}`, (repository, value) =>
      repository.publish({ 'v2.ndiff': { ...(statement['v2.ndiff'] as JsonObject), [field]: value } }),
    );
  for (const field of fields)
    add(`statement.${field}`, (repository, value) => {
      const custom = { 'neural-diff': { ...valid, [field]: value } };
      repository.publish({ 'v2.ndiff': { ...(statement['v2.ndiff'] as JsonObject), custom } });
    });
  for (const field of ['version', 'length', 'hashes'])
    add(`timestamp.meta.${field}`, (repository, value) => {
      repository.put('timestamp', { meta: { 'snapshot.json': { version: 1, [field]: value } } });
    });
  for (const field of ['keys', 'roles', 'version', 'consistent_snapshot'])
    add(`root.${field}`, (repository, value) => repository.addRoot({ more: { [field]: value } }));
  const { cases: count } = await tryCases('signed fields', cases, { limitMs: CASE_MS });
  expect(count).toBeGreaterThan(250);
});

async function serve(listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener);
  servers.push({
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const QUICK = {
  waitMs: () => 1,
  minBytesPerSecond: 100_000,
  rateWindowMs: 200,
  metadataMs: 400,
  downloadMs: 600,
};

test('servers that do everything wrong give typed errors, in time', async () => {
  const bomb = gzipSync(new Uint8Array(100_000_000));
  const bytesAt = (url = '') => files.get(url.slice(1)) ?? new Uint8Array();
  const isMetadata = (url = '') => url.startsWith('/metadata/');
  const listeners: Record<string, RequestListener> = {
    'a gzip bomb for metadata': (_, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb),
    'a gzip bomb for a payload': ({ url }, response) =>
      isMetadata(url)
        ? response.writeHead(url?.includes('root') ? 404 : 200).end(bytesAt(url))
        : response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb),
    'a length that is too large': ({ url }, response) => {
      response.writeHead(200, { 'content-length': bytesAt(url).length + 10 });
      response.write(bytesAt(url), () => response.destroy());
    },
    'a length that is too small': ({ url }, response) => {
      response.strictContentLength = false;
      response.writeHead(200, { 'content-length': Math.max(0, bytesAt(url).length - 10) }).end(bytesAt(url));
    },
    'redirects in a circle': ({ url }, response) =>
      response.writeHead(302, { location: url as string }).end(),
    'redirects that never repeat': ({ url }, response) =>
      response.writeHead(302, { location: `${url}x` }).end(),
    'no HTTP': ({ socket }) => socket.end('not HTTP at all\r\n\r\n'),
    'endless headers': ({ socket }) => {
      socket.on('error', () => undefined);
      socket.write('HTTP/1.1 200 OK\r\n');
      const timer = setInterval(() => socket.write(`x-a: ${'a'.repeat(8_000)}\r\n`), 1);
      socket.on('close', () => clearInterval(timer));
    },
    silence: () => undefined,
  };
  const tricks: Tricks[] = [
    { isEndless: true },
    { stallAfter: 10 },
    { cutAfter: 10 },
    { dripMs: 20 },
    { flipsAt: 100 },
    { status: 206 },
    { status: 301 },
    { status: 500 },
  ];
  const cases: HostileCase[] = [];
  const add = (name: string, url: string) =>
    cases.push({ name, run: () => attempt(openHttpSource({ url, stallMs: 150 }), QUICK) });
  for (const [name, listener] of Object.entries(listeners)) add(name, await serve(listener));
  for (const trick of tricks) {
    const server = await startHostileServer(files, trick);
    servers.push(server);
    add(JSON.stringify(trick), server.url);
  }
  const { accepted } = await tryCases('servers', cases, { limitMs: CASE_MS });
  expect(accepted).toBe(0);
});

/** @returns the repository with the timestamp of an earlier version */
function older(repository: TestRepository): TestRepository {
  repository.versions.timestamp = 0;
  repository.put('timestamp', { meta: { 'snapshot.json': { version: 1 } } });
  return repository;
}

test('the attacks that TUF names are refused: expiry, rollback, freeze, mix and match', async () => {
  const expired = (role: 'root' | 'timestamp' | 'snapshot' | 'targets') => () => {
    const repository = new TestRepository();
    repository.days[role] = -1;
    if (role === 'root') repository.addRoot();
    else repository.publish({});
    return attemptFrom(repository);
  };
  /** Updates a device twice: from a repository, and from what becomes of it. */
  const twice = (become: (repository: TestRepository) => TestRepository) => async () => {
    const repository = new TestRepository();
    repository.publish({});
    const device = new FleetDevice(fleet, { disk: clean.disk.clone({}), kind: clean.kind });
    const refresh = (from: TestRepository) =>
      device.updater({
        root: repository.files.get('1.root.json') as Uint8Array,
        now: repository.clock.now,
        source: memorySource(new Map(Array.from(from.files, ([name, bytes]) => [`metadata/${name}`, bytes]))),
      });
    await refresh(repository).update();
    await refresh(become(repository)).update();
  };
  const cases = casesOf({
    'an expired root': expired('root'),
    'an expired timestamp': expired('timestamp'),
    'an expired snapshot': expired('snapshot'),
    'expired targets': expired('targets'),
    rollback: twice((repository) => new TestRepository(repository.clock)),
    freeze: twice((repository) => {
      repository.clock.pass(20);
      return repository;
    }),
    'mix and match': twice((repository) => {
      repository.publish({});
      repository.files.set('3.targets.json', repository.files.get('2.targets.json') as Uint8Array);
      repository.files.set('4.targets.json', repository.files.get('2.targets.json') as Uint8Array);
      return repository;
    }),
    'a timestamp that goes back': twice(older),
    'a root by strangers': twice((repository) => {
      repository.roles.root = { keys: [testKey(91), testKey(92)], threshold: 1 };
      repository.addRoot();
      return repository;
    }),
    'a timestamp by strangers': twice((repository) => {
      repository.put('timestamp', { meta: { 'snapshot.json': { version: 2 } } }, [testKey(91)]);
      return repository;
    }),
    'targets that snapshot does not list': twice((repository) => {
      const listed = { version: 9, length: 3, hashes: { sha256: sha256Hex(new Uint8Array(3)) } };
      const snapshot = repository.put('snapshot', { meta: { 'targets.json': listed } });
      repository.put('timestamp', { meta: { 'snapshot.json': snapshot } });
      return repository;
    }),
  });
  const { accepted, refused } = await tryCases('attacks', cases, { limitMs: CASE_MS });
  expect([accepted, refused['metadata-expired']]).toEqual([0, 5]);
});

test('thousands of root rotations end at the limit, and one root without signatures stops all', async () => {
  const repository = new TestRepository();
  for (let i = 0; i < TRUST_LIMITS.maxRootRotations + 50; i++) repository.addRoot();
  const fetched: string[] = [];
  const spy = (source: UpdateSource): UpdateSource => ({
    ...source,
    fetch: (path, options) => {
      fetched.push(path);
      return source.fetch(path, options);
    },
  });
  const named = new Map(Array.from(repository.files, ([name, bytes]) => [`metadata/${name}`, bytes]));
  const options = {
    root: named.get('metadata/1.root.json') as Uint8Array,
    now: repository.clock.now,
    metadataMs: 60_000,
  };
  const unsigned = envelope({ _type: 'root', version: 101 }, []);
  const cases = casesOf({
    'more rotations than the limit': () => attempt(spy(memorySource(named)), options),
    'a root without signatures': () =>
      attempt(memorySource(new Map([...named, ['metadata/101.root.json', unsigned]])), options),
  });
  const { accepted, refused } = await tryCases('root rotations', cases, { limitMs: 30_000 });
  expect([accepted, refused]).toEqual([1, { 'signature-invalid': 1 }]);
  expect(fetched.filter((path) => path.endsWith('root.json'))).toHaveLength(TRUST_LIMITS.maxRootRotations);
});
