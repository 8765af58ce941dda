import { expect, test } from 'vitest';
import { DEVICE_ENTRIES, reachable } from '../../scripts/house.js';
import { isEntry, packageOf, readSource, readSources, resolveImport, roomOf } from './sources.js';

/** Rooms that a room may import; `docs/ARCHITECTURE.md` draws them. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  model: [],
  payload: ['model'],
  containers: ['model'],
  apply: ['model', 'payload'],
  storage: ['model', 'payload'],
  release: ['model'],
  updater: ['model', 'payload', 'chain', 'apply', 'storage', 'release'],
  'exact-diff': ['model', 'payload'],
  chain: ['model', 'payload', 'exact-diff'],
  node: ['model', 'payload', 'containers', 'storage'],
  publish: ['model', 'payload', 'containers', 'apply', 'node', 'release'],
  tfjs: ['model', 'payload'],
  train: ['model', 'payload', 'tfjs'],
  onnx: ['model', 'containers', 'tfjs', 'train'],
  'sparse-diff': ['model', 'payload', 'tfjs', 'train'],
  'hash-diff': ['model', 'payload', 'tfjs', 'train'],
  recipe: ['model', 'payload', 'chain', 'tfjs', 'train', 'onnx', 'sparse-diff', 'hash-diff', 'node'],
  report: [
    ...['model', 'payload', 'exact-diff', 'chain', 'apply', 'node', 'tfjs', 'train', 'onnx', 'recipe'],
  ],
  cli: [
    ...['model', 'payload', 'containers', 'apply', 'storage', 'release', 'updater', 'exact-diff'],
    ...['chain', 'node', 'publish', 'train', 'recipe', 'report'],
  ],
};

/** The rooms through which each outside package comes in. */
const DOORS: Readonly<Record<string, readonly string[]>> = {
  '@tensorflow/tfjs': ['tfjs', 'train', 'onnx', 'sparse-diff', 'hash-diff', 'recipe', 'report'],
  '@tensorflow/tfjs-backend-wasm': ['tfjs'],
  msgpackr: ['payload'],
  'xxhash-wasm': ['payload'],
  tinypool: ['recipe'],
  bullmq: ['recipe'],
  ioredis: ['recipe'],
  '@bull-board/api': ['recipe'],
  '@bull-board/hono': ['recipe'],
  hono: ['recipe'],
  '@hono/node-server': ['recipe'],
  '@aws-sdk/client-s3': ['recipe'],
  '@aws-sdk/lib-storage': ['recipe'],
  'es-module-lexer': ['recipe'],
  'ml-random-forest': ['recipe'],
  'onnxruntime-node': ['report'],
  valibot: ['recipe', 'report'],
  'csv-parse': ['report'],
  vega: ['report'],
  'vega-lite': ['report'],
  preact: ['report'],
  'preact-render-to-string': ['report'],
  '@noble/curves': ['release'],
  '@noble/ed25519': ['release'],
  '@noble/hashes': ['release'],
  '@tufjs/models': ['publish'],
  yaml: ['cli'],
  'node:': ['node', 'exact-diff', 'recipe', 'publish', 'report', 'cli'],
};

/** Files through which a runtime comes in that runs patched models: for reports, and for tests. */
const RUNTIME_DOORS: Readonly<Record<string, readonly string[]>> = {
  'onnxruntime-node': [
    'examples/common/onnx-session.ts',
    'src/report/measure/onnx-runtime.ts',
    'test/runtimes/onnx-runtime.ts',
  ],
};

/** Files that only makers of diffs may load. */
const MAKERS =
  /\/(exact-diff|train|onnx|sparse-diff|hash-diff|publish|recipe|report|node|tfjs)\/|\/payload\/(encode|check-op|range-encoder|sparse-writer)|\/chain\/(compose|patch|reverse)/;

const sources = readSources('src', 'cli').filter(
  ({ path }) => !isEntry(path) && !path.includes('/assembly/'),
);
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

test('each outside package has its doors', () => {
  const wrong = imports
    .filter(({ name }) => !name.startsWith('.'))
    .filter(({ source, name }) => !DOORS[packageOf(name)]?.includes(roomOf(source.path)))
    .map(({ source, name }) => `${source.path} -> ${name}`);
  expect(wrong).toEqual([]);
});

test('each runtime that runs patched models has its doors', () => {
  const all = readSources('src', 'cli', 'bench', 'examples', 'scripts', 'test');
  for (const [name, doors] of Object.entries(RUNTIME_DOORS)) {
    const users = all.filter((source) => source.imports.map(packageOf).includes(name));
    expect(users.map(({ path }) => path).sort()).toEqual(doors);
  }
});

test('entry points hold names alone, and nothing below src imports them', () => {
  const withLogic = readSources('src')
    .filter(({ path }) => isEntry(path))
    .filter(({ text }) => /^(?!export (\{|type \{)|\/\/|\s|\}|$)/m.test(text));
  expect(withLogic.map(({ path }) => path)).toEqual([]);
  expect(inner.filter(({ target }) => isEntry(target)).map(({ source }) => source.path)).toEqual([]);
});

test('the device side loads no maker, no tfjs, no node modules, no Buffer', () => {
  for (const name of DEVICE_ENTRIES) {
    const files = reachable(`dist/src/entries/${name}.js`);
    expect(files.length).toBeGreaterThan(10);
    expect(files.filter((path) => MAKERS.test(path))).toEqual([]);
    const sources = files.map((path) => readSource(path));
    const outside = sources.flatMap(({ imports }) => imports.filter((each) => !each.startsWith('.')));
    expect(outside.filter((each) => !/^(xxhash-wasm|@noble\/.+)$/.test(each))).toEqual([]);
    const code = sources.map(({ text }) => text.replaceAll(/\/\/.*|\*.*/g, ''));
    expect(code.filter((text) => /\bBuffer\b|\bprocess\./.test(text))).toEqual([]);
  }
});

test('what trains is loaded by those alone who train', () => {
  const light = ['node', 'diff', 'publish', 'report', 'sweep'].flatMap((name) =>
    reachable(`dist/src/entries/${name}.js`, { dynamic: false }),
  );
  const users = light.filter((path) =>
    readSource(path).imports.some((name) => name.startsWith('@tensorflow/')),
  );
  expect(users).toEqual([]);
});
