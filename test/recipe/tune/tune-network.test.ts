import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { afterAll, expect, test } from 'vitest';
import type * as Stores from '../../../src/recipe/farm/store.js';
import { loadRecipe } from '../../../src/recipe/recipe.js';
import type * as Networks from '../../../src/recipe/tune/network/create-network.js';
import { createNetwork, networkOf } from '../../../src/recipe/tune/network/create-network.js';
import type * as Kept from '../../../src/recipe/tune/network/kept-trials.js';
import { NETWORK_MODES, type TrialRunner } from '../../../src/recipe/tune/network/search.js';
import type { NetworkTraining } from '../../../src/recipe/tune/network/train-network.js';
import type * as Trainers from '../../../src/recipe/tune/network/trainers.js';
import { tuneNetwork } from '../../../src/recipe/tune/network/tune-network.js';
import type { TrialRequest } from '../../../src/recipe/tune/network/worker.js';
import { defaultOf } from '../../../src/recipe/tune/space.js';
import type * as Backend from '../../../src/tfjs/backend.js';
import { recipe } from '../../cli/command.js';

const home = mkdtempSync(join(tmpdir(), 'neural-diff-network-'));
afterAll(() => rmSync(home, { recursive: true }));

const RECIPE = recipe('network');
const LIMIT = { recipe: RECIPE, maxInferShare: 0.6, seed: 3, trials: 3, epochs: 6, workers: 1 } as const;

test.each(NETWORK_MODES)('tuneNetwork() finds a network below the limit: %s', async (mode) => {
  const { model, document } = await tuneNetwork({ ...LIMIT, mode });
  const { found, limit, trials, spent, layers, prediction } = document;
  expect(found.measuredMs).toBeLessThanOrEqual(limit);
  expect(found.metrics?.accuracy).toBeGreaterThan(0.85);
  expect(found.epochs).toBe(6);
  expect(trials.map(({ configuration }) => configuration)).toContainEqual(found.configuration);
  const epochs = { 'multi-shot': 12, 'single-shot': 12, 'zero-shot': 6 }[mode];
  expect(spent.epochs).toBeGreaterThanOrEqual(epochs);
  expect(layers.length).toBeGreaterThan(5);
  expect(prediction.networks).toBeGreaterThan(2);
  expect(JSON.parse(JSON.stringify(document))).toMatchObject({ format: 'neural-diff network search', mode });
  const use = networkOf(RECIPE, await loadRecipe(RECIPE));
  const same = createNetwork(use, found.configuration, { seed: 3 }).model;
  const shapes = (of: tf.LayersModel) => of.weights.map(({ shape }) => shape);
  expect(shapes(model)).toEqual(shapes(same));
  for (const each of [model, same]) each.dispose();
});

test('tuneNetwork() refuses limits that no network meets, and limits that are none', async () => {
  const rules = ['depth=1', 'width1=192'];
  const impossible = tuneNetwork({ recipe: RECIPE, mode: 'zero-shot', maxInferMs: 1e-6, rules });
  await expect(impossible).rejects.toMatchObject({
    code: 'budget-impossible',
    facts: { limit: 1e-6, least: expect.any(Number) },
  });
  const of = { recipe: RECIPE, mode: 'zero-shot' } as const;
  await expect(tuneNetwork(of)).rejects.toThrow(RangeError);
  await expect(tuneNetwork({ ...of, maxInferMs: 1, maxInferShare: 1 })).rejects.toThrow(RangeError);
  await expect(tuneNetwork({ ...of, maxInferMs: -1 })).rejects.toThrow(RangeError);
  await expect(tuneNetwork({ ...of, maxInferMs: 1, rules: ['width3=4'] })).rejects.toThrow(RangeError);
  await expect(tuneNetwork({ ...of, mode: 'no-shot' as 'zero-shot', maxInferMs: 1 })).rejects.toThrow(
    RangeError,
  );
});

/** Modules as they are built: threads run those. */
const built = (path: string) =>
  import(pathToFileURL(join(import.meta.dirname, '..', '..', '..', 'dist', 'src', path)).href);

/** Runs a runner. @returns what it made, in the order of the requests */
async function run(runner: TrialRunner, requests: readonly TrialRequest[]): Promise<unknown[]> {
  const products: unknown[] = [];
  await runner(requests, async (ended, place) => {
    products[place] = ended;
  });
  return products;
}

test('networks that go on after an epoch have the weights of those that were not stopped', async () => {
  const { useBackend } = (await built('tfjs/backend.js')) as typeof Backend;
  const { createRunner } = (await built('recipe/tune/network/trainers.js')) as typeof Trainers;
  const { keepTrials } = (await built('recipe/tune/network/kept-trials.js')) as typeof Kept;
  const { networkOf: useOf } = (await built('recipe/tune/network/create-network.js')) as typeof Networks;
  const { FarmStore: Store } = (await built('recipe/farm/store.js')) as typeof Stores;
  await useBackend('wasm');
  const path = write(
    'statistics',
    `{
      choices: { width: [8, 16] },
      create({ tf, choice: { width }, seed }) {
        const kernelInitializer = tf.initializers.heNormal({ seed });
        return tf.sequential({ layers: [
          tf.layers.dense({ units: width, inputShape: [2], kernelInitializer }),
          tf.layers.batchNormalization(),
          tf.layers.dense({ units: 3, activation: 'softmax', kernelInitializer }),
        ] });
      },
    }`,
  );
  const loaded = await loadRecipe(path);
  const points = await loadRecipe(recipe('points'));
  const data = await points.data({ tf, seed: 3, signal: new AbortController().signal });
  const stop = new AbortController();
  let left = 2;
  const onEpoch = (): void => {
    if (--left === 0) stop.abort(new Error('stopped'));
  };
  const setupOf = (workers: number, more: object) => {
    const training = { use: { path, recipe: { ...points }, options: { batchSize: 32 } }, data };
    const all = { ...training, epochs: 3, learningRate: 0.02, seed: 3, ...more } as NetworkTraining;
    return { use: useOf(path, loaded), training: all, workers };
  };
  const requests = [8, 16].map((width) => {
    const about = { recipe: path, configuration: { width }, epochs: 3, learningRate: 0.02, seed: 3 };
    return { ...about, backend: 'wasm' } as const;
  });
  const productsOf = (runner: TrialRunner) => run(runner, requests);
  const here = await productsOf(createRunner(setupOf(1, {})).runner);
  expect(here).toEqual([{ metrics: expect.any(Object), weights: expect.any(Array) }, expect.any(Object)]);
  const store = await Store.open({ url: join(home, 'networks') });
  const stopped = createRunner(setupOf(1, { onEpoch, signal: stop.signal }));
  await expect(productsOf(keepTrials(stopped.runner, store))).rejects.toThrow('stopped');
  expect(await productsOf(keepTrials(createRunner(setupOf(1, {})).runner, store))).toEqual(here);
  const none: TrialRunner = async (left) => expect(left).toEqual([]);
  expect(await productsOf(keepTrials(none, store))).toEqual(here);
});

test('networks that train in threads have the weights of those that train here', async () => {
  const { useBackend } = (await built('tfjs/backend.js')) as typeof Backend;
  const { createRunner } = (await built('recipe/tune/network/trainers.js')) as typeof Trainers;
  const { networkOf: useOf } = (await built('recipe/tune/network/create-network.js')) as typeof Networks;
  await useBackend('wasm');
  const loaded = await loadRecipe(RECIPE);
  const data = await loaded.data({ tf, seed: 3, signal: new AbortController().signal });
  const of = { use: { path: RECIPE, recipe: loaded, options: loaded.options ?? {} }, data };
  const training = { ...of, epochs: 2, learningRate: 0.02, seed: 3 } as NetworkTraining;
  const requests = [192, 768].map((width1) => {
    const about = { recipe: RECIPE, configuration: { width1, depth: 1 }, epochs: 2, learningRate: 0.02 };
    return { ...about, seed: 3, backend: 'wasm' } as const;
  });
  const found = await Promise.all(
    [1, 2].map(async (workers) => {
      const { runner, close } = createRunner({ use: useOf(RECIPE, loaded), training, workers });
      return run(runner, requests).finally(close);
    }),
  );
  expect(found[0]).toEqual(requests.map(() => ({ metrics: expect.any(Object), weights: expect.any(Array) })));
  expect(found[1]).toEqual(found[0]);
});

test('tuneNetwork() keeps to limits of size, and says which none meets', async () => {
  const { model, document } = await tuneNetwork({ ...LIMIT, mode: 'zero-shot', maxBytes: 10_000 });
  expect(4 * document.found.weights).toBeLessThanOrEqual(10_000);
  expect(document.found.memoryBytes).toBeGreaterThan(4 * document.found.weights);
  model.dispose();
  await expect(tuneNetwork({ ...LIMIT, mode: 'zero-shot', maxMemoryBytes: 100 })).rejects.toMatchObject({
    code: 'budget-impossible',
    message: expect.stringContaining('at most 100 bytes of memory'),
  });
});

test('a search that knows another one learns from it', async () => {
  const { model, learnt } = await tuneNetwork({ ...LIMIT, mode: 'multi-shot' });
  model.dispose();
  expect(learnt[0]?.measured).toEqual({
    error: expect.any(Number),
    loss: expect.any(Number),
    milliseconds: expect.any(Number),
  });
  const knowing = await tuneNetwork({ ...LIMIT, mode: 'multi-shot', known: [learnt] });
  expect(knowing.document.found.measuredMs).toBeLessThanOrEqual(knowing.document.limit);
  knowing.model.dispose();
});

test('tuneNetwork() stops at a signal', async () => {
  const stop = new AbortController();
  const onTrial = (): void => stop.abort(new Error('enough'));
  const search = tuneNetwork({ ...LIMIT, mode: 'zero-shot', signal: stop.signal, onTrial });
  await expect(search).rejects.toThrow('enough');
});

/** Writes a recipe with a network. */
function write(name: string, network: string, more = 'validation: {}'): string {
  const path = join(home, `${name}.mjs`);
  const text = `export const data = () => ({ train: {}, ${more} });\nexport const loss = 'meanSquaredError';\n`;
  writeFileSync(path, `${text}export const network = ${network};\n`);
  return path;
}

test.each([
  ['no choices', '{ create() {} }', '"choices" by name and a function "create"'],
  ['no function', '{ choices: { width: [4] } }', '"choices" by name and a function "create"'],
  ['none to choose', '{ choices: {}, create() {} }', 'at least one choice'],
  ['no values', '{ choices: { width: [] }, create() {} }', '"width" has no list of texts or numbers'],
  ['a value twice', '{ choices: { width: [4, 4] }, create() {} }', '"width" has a value twice'],
  ['a name of two words', '{ choices: { "my width": [4] }, create() {} }', '"my width" is no name'],
  ['a number', '{ choices: { width: 4 }, create() {} }', '"width" is neither a list nor'],
  ['no condition', '{ choices: { width: { values: [4] } }, create() {} }', '"width" has no "when"'],
  [
    'a later choice',
    '{ choices: { a: { values: [4], when: { b: [1] } }, b: [1] }, create() {} }',
    'before it',
  ],
  ['other values', '{ choices: { b: [1], a: { values: [4], when: { b: [2] } } }, create() {} }', 'not have'],
])('loadRecipe() refuses a network with %s', async (name, network, expected) => {
  await expect(loadRecipe(write(name.replaceAll(' ', '-'), network))).rejects.toMatchObject({
    code: 'recipe-invalid',
    message: expect.stringContaining(expected),
  });
});

const DENSE =
  'const input = tf.input({ shape: [2] }); const out = tf.layers.dense({ units: 8 }).apply(input);';

test.each([
  ['odd', `{ choices: { w: [6] }, create({ tf, gate }) { ${DENSE} gate(out, 'w'); } }`, 'multiples of 4'],
  ['text', `{ choices: { w: ['8'] }, create({ tf, gate }) { ${DENSE} gate(out, 'w'); } }`, 'multiples of 4'],
  [
    'other',
    `{ choices: { w: [4] }, create({ tf, gate }) { ${DENSE} gate(out, 'w'); } }`,
    'with 4 channels, got 8',
  ],
  ['unknown', `{ choices: { w: [8] }, create({ tf, gate }) { ${DENSE} gate(out, 'v'); } }`, 'gate("v")'],
  ['branch', `{ choices: { w: ['a', 'b'] }, create({ pick }) { pick('w', { a() {} }); } }`, 'branch for "b"'],
  ['nothing', '{ choices: { w: [8] }, create() {} }', 'to return a LayersModel'],
])('createNetwork() refuses what does not fit its choices: %s', async (name, network, expected) => {
  const path = write(`create-${name}`, network);
  const use = networkOf(path, await loadRecipe(path));
  const run = () => createNetwork(use, defaultOf(use.space), { seed: 0 });
  expect(run).toThrow(
    expect.objectContaining({ code: 'recipe-invalid', message: expect.stringContaining(expected) }),
  );
});

test('createNetwork() reports errors of a recipe as such', async () => {
  const path = write('throws', "{ choices: { w: [8] }, create() { throw new Error('no network'); } }");
  const use = networkOf(path, await loadRecipe(path));
  const run = () => createNetwork(use, { w: 8 }, { seed: 0 });
  expect(run).toThrow(expect.objectContaining({ code: 'recipe-failed' }));
});

test('tuneNetwork() refuses recipes without a network or validation data', async () => {
  const limit = { mode: 'zero-shot', maxInferMs: 1 } as const;
  const none = tuneNetwork({ ...limit, recipe: recipe('points') });
  await expect(none).rejects.toMatchObject({
    code: 'recipe-invalid',
    message: expect.stringContaining('network'),
  });
  const blind = write('blind', '{ choices: { w: [8] }, create() {} }', '');
  await expect(tuneNetwork({ ...limit, recipe: blind })).rejects.toMatchObject({
    code: 'recipe-invalid',
    message: expect.stringContaining('validation'),
  });
});
