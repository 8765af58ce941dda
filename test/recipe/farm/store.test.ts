import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { FarmStore } from '../../../src/recipe/farm/store.js';
import { scratch } from '../../cli/command.js';
import { codeOf, seededBytes } from '../../support.js';
import { NO_S3, S3Server } from './s3-rig.js';

const folder = scratch();
const server = new S3Server(join(folder, 'server'));
let stores = 0;

beforeAll(async () => {
  if (NO_S3) return;
  await server.start();
  for (const [name, value] of Object.entries(server.env)) vi.stubEnv(name, value);
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await server.stop();
  rmSync(folder, { recursive: true });
});

/** A store, and what happens to it behind its back. */
interface Opened {
  readonly store: FarmStore;
  write(path: string, content: Uint8Array): Promise<void>;
  list(path: string): Promise<string[]>;
}

async function inFolder(): Promise<Opened> {
  const root = join(folder, `store-${stores++}`);
  return {
    store: await FarmStore.open({ url: root }),
    write: async (path, content) => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content);
    },
    list: async (path) => (existsSync(join(root, path)) ? readdirSync(join(root, path)) : []),
  };
}

async function onS3(): Promise<Opened> {
  const prefix = `store-${stores++}/inner`;
  const { bucket } = S3Server;
  return {
    store: await FarmStore.open({ url: `s3://${bucket}/${prefix}`, endpoint: server.endpoint }),
    write: (path, content) => server.put(`${prefix}/${path}`, content),
    list: async (path) => {
      const keys = await server.list(`${prefix}/${path}/`);
      return keys.map((key) => key.slice(`${prefix}/${path}/`.length));
    },
  };
}

const CONTENT = seededBytes(1, 100_000);
/** More than two parts of 16 MiB. */
const LARGE = Buffer.concat(Array.from({ length: 340 }, () => CONTENT));
const objectAt = (digest: string): string => `objects/${digest.slice(0, 2)}/${digest}`;

const ENDED = { content: CONTENT, seconds: 1, log: [], facts: { kind: 'hash' } };

describe.each([
  { where: 'in a folder', create: inFolder, missing: undefined },
  { where: 'on S3', create: onS3, missing: NO_S3 },
])('a store $where', ({ where, create, missing }) => {
  const tested = test.skipIf(missing);
  const at = (...names: string[]): string => join(folder, where, ...names);

  tested('keeps content once, by its SHA-256, whether it comes as bytes or as a file', async () => {
    const { store, list } = await create();
    mkdirSync(at(), { recursive: true });
    writeFileSync(at('content'), CONTENT);
    const digest = await store.put(CONTENT);
    expect(await store.putFile(at('content'))).toBe(digest);
    expect(await store.get(digest)).toEqual(CONTENT);
    await store.copyTo(digest, at('new', 'copy'));
    expect(readFileSync(at('new', 'copy')).equals(CONTENT)).toBe(true);
    expect(await list(`objects/${digest.slice(0, 2)}`)).toEqual([digest]);
  });

  tested('keeps files without a byte, and those of several parts', async () => {
    const { store } = await create();
    mkdirSync(at(), { recursive: true });
    for (const content of [new Uint8Array(), LARGE]) {
      writeFileSync(at('file'), content);
      const digest = await store.putFile(at('file'));
      await store.copyTo(digest, at(`copy-${content.length}`));
      expect(readFileSync(at(`copy-${content.length}`)).equals(content)).toBe(true);
      expect((await store.get(digest)).length).toBe(content.length);
    }
  });

  tested('refuses content that is damaged, cut or longer, and leaves no file; a put repairs it', async () => {
    const { store, write } = await create();
    const digest = await store.put(CONTENT);
    const flipped = CONTENT.map((byte, i) => (i === 99_999 ? byte ^ 1 : byte));
    for (const damaged of [flipped, CONTENT.subarray(1), new Uint8Array(100_001)]) {
      await write(objectAt(digest), damaged);
      expect(await codeOf(() => store.get(digest))).toBe('storage-mismatch');
      expect(await codeOf(() => store.copyTo(digest, at('damaged')))).toBe('storage-mismatch');
      expect(existsSync(at('damaged'))).toBe(false);
    }
    await store.put(CONTENT);
    expect(await store.get(digest)).toEqual(CONTENT);
  });

  tested('says what is missing', async () => {
    const { store } = await create();
    expect(await codeOf(() => store.get('ab'.repeat(32)))).toBe('file-not-found');
    expect(await codeOf(() => store.copyTo('ab'.repeat(32), at('missing')))).toBe('file-not-found');
    expect(await codeOf(() => store.putFile(at('nowhere')))).toBe('file-not-found');
  });

  tested('has a result only with its whole product', async () => {
    const { store, write } = await create();
    expect(await store.readResult('j')).toBeUndefined();
    const result = await store.keepResult('j', ENDED);
    const digest = await store.put(CONTENT);
    expect(result).toMatchObject({ job: 'j', product: digest, facts: ENDED.facts });
    expect(await store.readResult('j')).toEqual(result);
    await write(objectAt(digest), CONTENT.subarray(1));
    expect(await store.readResult('j')).toBeUndefined();
    await store.put(CONTENT);
    expect(await store.readResult('j')).toBeDefined();
    await write('results/j.json', new TextEncoder().encode('{"product"'));
    expect(await store.readResult('j')).toBeUndefined();
  });

  tested('keeps the states of the runs of a job until it has ended', async () => {
    const { store, write, list } = await create();
    const states = [{ epoch: 3, weights: new Float32Array([1.5, -2]) }, { epoch: 1 }];
    const written = store.checkpointsOf('j');
    for (const state of states) await written.next().write(state);
    await store.checkpointsOf('other').next().write({ epoch: 9 });
    const read = store.checkpointsOf('j');
    expect(await read.next().read()).toEqual(states[0]);
    expect(await read.next().read()).toEqual(states[1]);
    expect(await read.next().read()).toBeUndefined();
    await write('states/j/run-0', CONTENT);
    expect(await store.checkpointsOf('j').next().read()).toBeUndefined();
    await store.keepResult('j', ENDED);
    await store.keepResult('j', ENDED);
    expect(await list('states/j')).toEqual([]);
    expect(await store.checkpointsOf('other').next().read()).toEqual({ epoch: 9 });
  });
});

test.each(['gs://bucket/prefix', 'http://127.0.0.1/bucket', 's3://', 's3:///prefix'])(
  'a store at %s is refused',
  async (url) => {
    await expect(FarmStore.open({ url })).rejects.toThrow(RangeError);
  },
);
