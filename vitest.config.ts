import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Tests and examples import the package by name; under test these names mean the sources. */
const source = (path: string) => new URL(`./src/${path}`, import.meta.url).pathname;
const alias = [
  { find: /^neural-diff\/(.+)$/, replacement: source('entries/$1.ts') },
  { find: /^neural-diff$/, replacement: source('index.ts') },
];

const TIMEOUTS = { testTimeout: 120_000, hookTimeout: 120_000 };

const project = (name: string, include: string[], options: object = {}) => ({
  resolve: { alias },
  test: { name, include, setupFiles: './test/setup.ts', ...TIMEOUTS, ...options },
});

/** Tests that start browsers and kill processes would slow down others until they time out. */
const ALONE = { fileParallelism: false };

/** Tests of modules that nothing has used yet: they do not share those of other files. */
const FRESH = [
  'test/tfjs/kernels/{fallback,register,unregistered}.test.ts',
  'test/train/bare-backend.test.ts',
];

/** Test files that run one after another in the same process load TensorFlow.js and the sources once. */
const SHARED = { isolate: false };

/** Kernel tests whose results must be the same without SIMD. */
const KERNELS = 'test/tfjs/kernels/{conv2d,depthwise,diff,layers,mat-mul,tensors,training}.test.ts';

/** Tests on models that others published, which npm downloads. */
const PUBLISHED = 'test/published/**';

/** Those, and files with tests that `npm test` runs in part; `test/exhaustive.ts` tells these apart. */
const EXHAUSTIVE = [
  `${PUBLISHED}/*.test.ts`,
  'test/apply/fast/{apply,fast-patcher}.test.ts',
  'test/cli/search.test.ts',
  'test/node/payload-file.test.ts',
  'test/containers/archive-cuts.test.ts',
  'test/exact-diff/diff-stores.test.ts',
  'test/exact-diff/threads/diff-threads.test.ts',
  'test/recipe/{search/search-diff,sweep/train-many}.test.ts',
  'test/report/measure/other-ways.test.ts',
];

export default defineConfig({
  test: {
    passWithNoTests: false,
    // Vitest itself would leave one processor idle.
    maxWorkers: availableParallelism(),
    projects: [
      project('unit', ['test/**/*.test.ts'], {
        ...SHARED,
        exclude: [
          ...FRESH,
          ...['tidy', 'browser', 'faults', 'hostile', 'engines'].map((name) => `test/${name}/**`),
          PUBLISHED,
        ],
      }),
      project('fresh', FRESH),
      project('composed', [KERNELS], { ...SHARED, env: { TRAINING_KERNELS: 'composed' } }),
      project('tidy', ['test/tidy/**/*.test.ts']),
      project('faults', ['test/faults/**/*.test.ts'], { ...ALONE, testTimeout: 1_200_000 }),
      project('hostile', ['test/hostile/**/*.test.ts'], { ...ALONE, testTimeout: 1_200_000 }),
      project('exhaustive', EXHAUSTIVE, { ...SHARED, env: { EXHAUSTIVE: '1' }, testTimeout: 600_000 }),
      project('engines', ['test/engines/**/*.test.ts'], { maxConcurrency: 2 }),
      project('browser', ['test/browser/**/*.test.ts'], SHARED),
    ],
  },
});
