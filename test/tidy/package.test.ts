import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { expect, test } from 'vitest';
import { LIBRARY_VERSION } from '../../src/updater/rejected-releases.js';
import { ROOT, readSources } from './sources.js';

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));

test('users of the device kit install few small packages', () => {
  expect(Object.keys(manifest.dependencies).sort()).toEqual([
    ...[
      '@noble/curves',
      '@noble/ed25519',
      '@noble/hashes',
      '@tufjs/models',
      'csv-parse',
      'es-module-lexer',
      'msgpackr',
      'tinypool',
      'valibot',
      'xxhash-wasm',
      'yaml',
    ],
  ]);
  expect(Object.keys(manifest.peerDependenciesMeta)).toEqual(Object.keys(manifest.peerDependencies));
});

test('every dependency is pinned', () => {
  const examples = readdirSync(join(ROOT, 'examples'))
    .map((name) => join(ROOT, 'examples', name, 'package.json'))
    .filter((path) => existsSync(path))
    .map((path) => JSON.parse(readFileSync(path, 'utf8')));
  const ranges = [manifest, ...examples].flatMap(({ dependencies, devDependencies }) =>
    Object.entries({ ...dependencies, ...devDependencies }),
  );
  expect(ranges.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(String(version)))).toEqual([]);
});

test('the sources know the version of the package', () => {
  expect(LIBRARY_VERSION).toBe(manifest.version);
});

test('the lock file names no host', () => {
  const resolved = Object.values<{ resolved?: string }>(lock.packages).map((entry) => entry.resolved ?? '');
  expect(resolved.filter((address) => /^[a-z]+:/.test(address))).toEqual([]);
});

test('no copyleft package is a dependency of the published one', () => {
  const published = Object.entries<{ dev?: boolean; license?: string }>(lock.packages).filter(
    ([path, entry]) => path.startsWith('node_modules/') && !entry.dev,
  );
  expect(published.length).toBeGreaterThan(2);
  expect(published.filter(([, { license }]) => /GPL/.test(license ?? '')).map(([path]) => path)).toEqual([]);
});

test('every subpath export has a source', () => {
  const targets = Object.values<string>(manifest.exports).filter((target) => target.endsWith('.js'));
  const missing = targets.filter(
    (target) => !existsSync(join(ROOT, target.replace('./dist/', '').replace('.js', '.ts'))),
  );
  expect(missing).toEqual([]);
  expect(targets.length).toBeGreaterThan(5);
});

/** @returns the paths of the files that are published */
function packedPaths(): string[] {
  const listing = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  const [pack] = Object.values<{ files: { path: string }[] }>(JSON.parse(listing));
  return pack?.files.map(({ path }) => path) ?? [];
}

const packed = packedPaths();

test('the published files are the build, the documents and the examples, nothing of tests or benches', () => {
  const tops = new Set(
    packed.map((path) =>
      path
        .split('/')
        .slice(0, path.startsWith('dist') || path.startsWith('test') ? 2 : 1)
        .join('/'),
    ),
  );
  const allowed = [
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'LICENSE',
    'README.md',
    'SECURITY.md',
    'dist/cli',
    'dist/device',
    'dist/src',
    'docs',
    'examples',
    'package.json',
    'test/golden',
  ];
  expect([...tops].filter((top) => !allowed.includes(top))).toEqual([]);
  const samples = packed.filter((path) => path.startsWith('test/') && path !== 'test/golden/README.md');
  expect(samples).toEqual([]);
});

test('links and pictures of the published documents lead to published files', () => {
  const documents = packed.filter((path) => path.endsWith('.md'));
  const isPublished = (path: string): boolean =>
    packed.some((each) => each === path || each.startsWith(`${path}/`));
  const wrong = documents.flatMap((document) => {
    const text = readFileSync(join(ROOT, document), 'utf8').replaceAll(/^```[\s\S]*?^```/gm, '');
    const links = text.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"/g);
    return [...links]
      .map(([, link, address]) => (link ?? address ?? '').replace(/#.*/, ''))
      .filter((target) => target !== '' && !/^https?:/.test(target))
      .filter((target) => !isPublished(posix.join(posix.dirname(document), target)))
      .map((target) => `${document}: ${target}`);
  });
  expect(wrong).toEqual([]);
  expect(documents.length).toBeGreaterThan(40);
});

test('every package that is installed with this one stands in docs/START.md, with its version and licence', () => {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
  const start = readFileSync(join(ROOT, 'docs/START.md'), 'utf8');
  type Entry = Partial<Record<'dev' | 'peer' | 'devOptional' | 'optional' | 'link', boolean>> & {
    version: string;
    license: string;
  };
  const installed = Object.entries<Entry>(lock.packages).filter(
    ([path, { dev, peer, devOptional, optional, link }]) =>
      path.startsWith('node_modules/') && !(dev || peer || devOptional || optional || link),
  );
  const rows = installed.map(
    ([path, { version, license }]) =>
      `| \`${path.replace('node_modules/', '')}\` | ${version} | ${license} |`,
  );
  expect(rows.filter((row) => !start.includes(row))).toEqual([]);
  expect(rows.length).toBeGreaterThan(5);
});

test('sources are finished: nothing to do, nothing skipped, no paths of a machine', () => {
  const sources = readSources('src', 'cli', 'bench', 'examples', 'scripts', 'test');
  const marks = new RegExp(
    ['TO' + 'DO', 'FIX' + 'ME', '\\.(only|to' + 'do)\\(', '/(work|ho' + 'me|root)/'].join('|'),
  );
  expect(sources.filter(({ text }) => marks.test(text)).map(({ path }) => path)).toEqual([]);
});
