import { describe, expect, test } from 'vitest';
import {
  type DiffSpec,
  fineTuneSpec,
  jobId,
  readJobSpec,
  recipeDigest,
} from '../../../src/recipe/farm/job-spec.js';
import { codeOf } from '../../support.js';

const SHA = 'ab'.repeat(32);
const spec: DiffSpec = {
  format: 'neural-diff job',
  version: 1,
  package: '1.0.0',
  type: 'diff',
  base: { main: 'model.json', files: { 'model.json': SHA }, fingerprint: '12'.repeat(16), chain: [SHA] },
  recipe: { main: 'recipe.mjs', files: { 'recipe.mjs': SHA, 'data/points.csv': SHA } },
  seed: 7,
  backend: 'wasm',
  options: { epochs: 3 },
  kind: 'hash',
  budget: 1000,
};

test('the id is of the content, not of the order of its members', () => {
  const turned = Object.fromEntries(Object.entries(spec).reverse());
  expect(jobId(readJobSpec(turned))).toBe(jobId(spec));
  expect(readJobSpec(JSON.parse(JSON.stringify(spec)))).toEqual(spec);
});

test.each([
  ['package', { package: '1.0.1' }],
  ['seed', { seed: 8 }],
  ['budget', { budget: 1001 }],
  ['kind', { kind: 'sparse' as const }],
  ['options', { options: { epochs: 4 } }],
  ['backend', { backend: 'cpu' as const }],
  ['recipe', { recipe: { ...spec.recipe, main: 'data/points.csv' } }],
  ['chain', { base: { ...spec.base, chain: [] } }],
])('a job of another %s has another id', (_name, change) => {
  expect(jobId({ ...spec, ...change })).not.toBe(jobId(spec));
});

describe('readJobSpec() refuses', () => {
  const withPath = (path: string) => ({ recipe: { main: path, files: { [path]: SHA } } });
  test.each([
    ['a path out of its folder', withPath('../recipe.mjs')],
    ['a path that leaves its folder on the way', withPath('a/../../recipe.mjs')],
    ['an absolute path', withPath('/recipe.mjs')],
    ['a path of Windows', withPath('a\\recipe.mjs')],
    ['a drive', withPath('c:recipe.mjs')],
    ['an empty step', withPath('a//recipe.mjs')],
    ['a digest that is none', { base: { ...spec.base, files: { 'model.json': '../../etc/passwd' } } }],
    ['an unknown kind', { kind: 'dense' }],
    ['an unknown option', { options: { epoch: 3 } }],
    ['an unknown member', { priority: 1 }],
    ['a budget of nothing', { budget: 0 }],
    ['a seed that is no number', { seed: '7' }],
    ['another version of the format', { version: 2 }],
    ['another document', { format: 'neural-diff sweep' }],
  ])('%s', async (_what, change) => {
    expect(await codeOf(() => readJobSpec({ ...spec, ...change }))).toBe('bad-document');
  });
});

test('diffs that differ in what the full fine-tune does not depend on share its job', () => {
  const id = (change: Partial<DiffSpec>) => jobId(fineTuneSpec({ ...spec, ...change }) as DiffSpec);
  const own = id({});
  expect(id({ kind: 'sparse', budget: 5 })).toBe(own);
  expect(id({ options: { epochs: 9, hash: { block: 4 }, learningRate: 0.1 } })).toBe(own);
  expect(id({ seed: 8 })).not.toBe(own);
  expect(id({ options: { only: ['head/*'] } })).not.toBe(own);
  expect(id({ options: { fineTune: { epochs: 2 } } })).not.toBe(own);
  expect(fineTuneSpec({ ...spec, full: spec.recipe })).toBeUndefined();
});

test('the digest of a recipe changes with its files and their names', () => {
  const { main, files } = spec.recipe;
  const digests = [
    { main, files },
    { main: 'data/points.csv', files },
    { main, files: { ...files, 'recipe.mjs': 'cd'.repeat(32) } },
    { main, files: { 'recipe.mjs': SHA, 'data/other.csv': SHA } },
  ].map(recipeDigest);
  expect(new Set(digests).size).toBe(4);
});
