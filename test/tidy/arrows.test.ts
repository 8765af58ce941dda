import { expect, test } from 'vitest';
import { packageOf, readSources, resolveImport, roomOf, type Source } from './sources.js';

/** Rooms that a room may import; `docs/ARCHITECTURE.md` draws them. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  model: [],
  payload: ['model'],
  containers: ['model'],
  kernels: ['model', 'payload'],
  tfjs: ['model', 'kernels'],
  train: ['model', 'payload', 'kernels', 'tfjs'],
  'sparse-diff': ['model', 'payload', 'kernels', 'train'],
  'hash-diff': ['model', 'payload', 'kernels', 'train'],
  'exact-diff': ['model', 'payload'],
  'diff-threads': ['model', 'payload', 'exact-diff'],
  'lossy-diff': ['model', 'payload', 'exact-diff'],
  chain: ['model', 'payload', 'exact-diff'],
  apply: ['model', 'payload'],
  'fast-apply': ['model', 'payload'],
  storage: ['model', 'payload'],
  browser: ['model', 'storage'],
  testing: ['model', 'storage'],
  release: ['model'],
  node: ['model', 'payload', 'containers', 'storage'],
  updater: ['model', 'payload', 'chain', 'apply', 'storage', 'release'],
  publish: ['model', 'payload', 'containers', 'apply', 'node', 'release'],
  recipe: ['model', 'chain', 'tfjs', 'train', 'sparse-diff', 'hash-diff', 'node'],
  sweep: ['model', 'train', 'recipe'],
  search: ['model', 'train', 'node', 'recipe', 'sweep'],
  report: ['model', 'payload', 'chain'],
  measure: [
    'model',
    'payload',
    'train',
    'exact-diff',
    'chain',
    'apply',
    'fast-apply',
    'node',
    'recipe',
    'report',
  ],
  'report-page': ['model', 'report'],
  src: ['model', 'payload'],
  cli: [
    'src',
    'containers',
    'train',
    'exact-diff',
    'diff-threads',
    'lossy-diff',
    'chain',
    'apply',
    'fast-apply',
    'node',
    'storage',
    'updater',
    'recipe',
    'sweep',
    'search',
    'release',
    'publish',
    'report',
    'measure',
    'report-page',
  ],
};

/** The rooms through which each outside package comes in. */
const DOORS: Readonly<Record<string, readonly string[]>> = {
  '@tensorflow/tfjs': ['kernels', 'tfjs', 'train', 'sparse-diff', 'hash-diff', 'recipe'],
  '@tensorflow/tfjs-backend-wasm': ['tfjs'],
  msgpackr: ['payload'],
  'xxhash-wasm': ['payload'],
  tinypool: ['sweep'],
  yargs: ['cli'],
  valibot: ['report'],
  'csv-parse': ['report'],
  vega: ['report-page'],
  'vega-lite': ['report-page'],
  preact: ['report-page'],
  'preact-render-to-string': ['report-page'],
  '@noble/ed25519': ['release'],
  '@tufjs/models': ['publish'],
  'node:': ['node', 'diff-threads', 'testing', 'recipe', 'sweep', 'publish', 'measure', 'cli'],
};

/** Files through which a runtime comes in that runs patched models for tests alone. */
const TEST_DOORS: Readonly<Record<string, string>> = { 'onnxruntime-node': 'test/runtimes/onnx-runtime.ts' };

/** A room's public names; `encode.ts` is the makers' side of the payload room, which the device kit leaves out. */
const FRONT = /\/(index|encode)\.ts$/;

const sources = readSources('src', 'cli');
const imports = sources.flatMap((source) => source.imports.map((name) => ({ source, name })));
const inner = imports
  .filter(({ name }) => name.startsWith('.'))
  .map(({ source, name }) => ({ source, target: resolveImport(source, name) }));

test('rooms import each other along the arrows only', () => {
  const wrong = inner
    .filter(({ source, target }) => roomOf(source.path) !== roomOf(target))
    .filter(({ source, target }) => !ARROWS[roomOf(source.path)]?.includes(roomOf(target)))
    .map(({ source, target }) => `${source.path} -> ${target}`);
  expect(wrong).toEqual([]);
  expect(Object.keys(ARROWS).sort()).toEqual([...new Set(sources.map(({ path }) => roomOf(path)))].sort());
});

test('rooms are entered through their index', () => {
  const wrong = inner
    .filter(({ source, target }) => roomOf(source.path) !== roomOf(target) && !FRONT.test(target))
    .map(({ source, target }) => `${source.path} -> ${target}`);
  expect(wrong).toEqual([]);
});

test('each outside package has its doors', () => {
  const wrong = imports
    .filter(({ name }) => !name.startsWith('.'))
    .filter(({ source, name }) => !DOORS[packageOf(name)]?.includes(roomOf(source.path)))
    .map(({ source, name }) => `${source.path} -> ${name}`);
  expect(wrong).toEqual([]);
});

test('each runtime of the tests has one door', () => {
  const all = readSources('src', 'cli', 'bench', 'examples', 'scripts', 'test');
  for (const [name, door] of Object.entries(TEST_DOORS)) {
    const users = all.filter((source) => source.imports.map(packageOf).includes(name));
    expect(users.map(({ path }) => path)).toEqual([door]);
  }
});

test('the device kit reaches no tfjs, no yargs, no node modules, no Buffer', () => {
  const kit = ['apply', 'storage', 'browser'].flatMap((room) => reachable(`src/${room}/index.ts`));
  expect(kit.length).toBeGreaterThan(40);
  const outside = new Set(kit.flatMap(({ imports: names }) => names.filter((name) => !name.startsWith('.'))));
  expect([...outside].sort()).toEqual(['xxhash-wasm']);
  expect(
    kit.filter(({ text }) => /\bBuffer\b|\bprocess\./.test(text.replaceAll(/\/\/.*|\*.*/g, ''))),
  ).toEqual([]);
});

test('the device side of releases reaches noble alone, no node modules, no Buffer', () => {
  const kit = reachable('src/release/index.ts');
  expect(kit.length).toBeGreaterThan(15);
  const outside = kit.flatMap(({ path, imports: names }) =>
    names.filter((name) => !name.startsWith('.')).map((name) => `${path} -> ${name}`),
  );
  expect(outside).toEqual(['src/release/noble.ts -> @noble/ed25519']);
  expect(
    kit.filter(({ text }) => /\bBuffer\b|\bprocess\./.test(text.replaceAll(/\/\/.*|\*.*/g, ''))),
  ).toEqual([]);
});

test('index files hold names, no logic', () => {
  const withLogic = sources
    .filter(({ path }) => path.endsWith('/index.ts'))
    .filter(({ text }) => /^(?!export (\{|type \{)|\s|\}|$)/m.test(text))
    .map(({ path }) => path);
  expect(withLogic).toEqual([]);
});

function reachable(start: string): Source[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const found = new Map<string, Source>();
  const queue = [start];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const source = byPath.get(path);
    if (source === undefined || found.has(path)) continue;
    found.set(path, source);
    queue.push(
      ...source.imports.filter((name) => name.startsWith('.')).map((name) => resolveImport(source, name)),
    );
  }
  return [...found.values()];
}
