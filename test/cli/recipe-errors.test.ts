import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { command, expectRefusal, program, recipe, scratch, writeModel } from './command.js';

const folder = scratch();
const at = (name: string): string => join(folder, name);
const base = at('base');
const train = (name: string, ...more: string[]): string[] => {
  const budget = ['--budget', '18%', '--seed', '3', '--epochs', '1'];
  return ['train', 'hash', '--base', base, '--recipe', name, ...budget, '-f', '-o', at('out.ndiff'), ...more];
};

/** Writes a recipe that takes what it lacks from `points`. */
function write(name: string, text: string, own: readonly string[] = []): string {
  const taken = ['data', 'loss', 'metrics', 'options'].filter((each) => !own.includes(each));
  const imports = `import { data as points } from ${JSON.stringify(recipe('points'))};\n`;
  const exports = taken.length > 0 ? `export { ${taken} } from ${JSON.stringify(recipe('points'))};\n` : '';
  writeFileSync(at(name), `${text}\n${imports}${exports}`);
  return at(name);
}

beforeAll(async () => {
  await writeModel(base);
  mkdirSync(at('lib'));
  writeFileSync(at('lib/help.mjs'), 'export function help(value) {\n  return value.foo.bar;\n}\n');
});

test('an error of a recipe names the place in its folder where it comes from', async () => {
  const failed = async (name: string, place: string, code = 'recipe-failed') =>
    expectRefusal(command(...train(name, '--json')), code, `at ${at(place)}: `);
  const lib = "import { help } from './lib/help.mjs';\n";
  await failed(write('deep.mjs', `${lib}export const data = () => help({});`, ['data']), 'lib/help.mjs:2:20');
  const ofPackage = 'export const data = ({ tf }) =>\n  tf.tensor2d([1], [2, 2]);';
  await failed(write('package.mjs', ofPackage, ['data']), 'package.mjs:2:6');
  await failed(write('loss.mjs', 'export const loss = (a) =>\n  a.nope();', ['loss']), 'loss.mjs:2:5');
  await failed(
    write('metric.mjs', 'export const metrics = (a) => a.nope();', ['metrics']),
    'metric.mjs:1:33',
  );
  await failed(write('import.mjs', "\nJSON.parse('{');"), 'import.mjs:2:6', 'recipe-unreadable');
  await failed(write('syntax.mjs', '\nconst a = ;'), 'syntax.mjs:2', 'recipe-unreadable');
  await failed(
    write('named.mjs', "import { no } from './lib/help.mjs';"),
    'named.mjs:1',
    'recipe-unreadable',
  );
});

test('--verbose prints the stack of an error and of its cause, also of the jobs of a sweep', async () => {
  const path = write('stack.mjs', 'export function data() {\n  throw new Error("no");\n}', ['data']);
  const { stderr } = await command(...train(path, '--verbose'));
  expect(stderr).toMatch(
    /recipe-failed\)\nNeuralDiffError: .*\n(.*\n)*Caused by: Error: no\n.*stack\.mjs:2:9\)/,
  );
  expect((await command(...train(path))).stderr).not.toContain('Caused by');
  const grid = ['--kinds', 'hash', '--budgets', '18%', '--seeds', '1', '--workers', '1', '-o', at('swept')];
  const swept = await command('sweep', '--base', base, '--recipe', path, ...grid, '--verbose');
  expect(swept.stderr).toMatch(/Caused by: Error: no\n.*stack\.mjs:2:9\)/);
});

test('labels that do not fit the outputs are refused before training', async () => {
  const refused = async (name: string, data: string, message: string) => {
    const path = write(name, `export const data = async ({ tf, seed }) => ${data};`, ['data']);
    await expectRefusal(command(...train(path, '--json')), 'bad-data', message);
  };
  const xs = 'xs: tf.zeros([40, 2])';
  await refused('wide.mjs', `({ train: { ${xs}, ys: tf.ones([40, 4]) } })`, 'expected shape [examples, 3]');
  await refused(
    'flat.mjs',
    `({ train: { ${xs}, ys: tf.zeros([40]) } })`,
    'numbers of classes: use tf.oneHot',
  );
  const measured = `({ ...points({ tf, seed }), validation: { ${xs}, ys: tf.ones([40, 5]) } })`;
  await refused('measured.mjs', measured, 'target expected');
  const sparse = "export const loss = 'sparseCategoricalCrossentropy';";
  const hot = write(
    'hot.mjs',
    `${sparse} export const data = (context) => ({ train: points(context).train });`,
    ['data', 'loss', 'metrics'],
  );
  await expectRefusal(command(...train(hot, '--json')), 'bad-data', 'one-hot rows: use categorical');
});

test('numbers that are not finite are found before training, with their set and example', async () => {
  for (const set of ['train', 'validation']) {
    const path = write(
      `nan-${set}.mjs`,
      `export const data = (context) => {
        const found = points(context);
        const xs = found.${set}.xs.bufferSync();
        xs.set(NaN, 57, 1);
        return { ...found, ${set}: { xs: xs.toTensor(), ys: found.${set}.ys } };
      };`,
      ['data'],
    );
    const { stdout } = await command(...train(path, '--json'));
    const { code, message, ...facts } = JSON.parse(stdout).error;
    expect([code, facts]).toEqual(['bad-data', { set, example: 57 }]);
    expect(message).toContain(`got NaN or infinity in example 57 of "${set}"`);
  }
});

test('unknown exports and options are refused, with the name that was meant', async () => {
  const refused = (name: string, text: string, message: string, own: readonly string[] = []) =>
    expectRefusal(command(...train(write(name, text, own), '--json')), 'recipe-invalid', message);
  await refused('optimiser.mjs', 'export const optimiser = 1;', 'got "optimiser" (did you mean optimizer?)');
  await refused('other.mjs', 'export const words = 1;', 'got "words"; move what');
  const sign = "export const options = { hash: { codng: 'sign' } };";
  await refused('codng.mjs', sign, '(did you mean hash.coding?)', ['options']);
  await refused('time.mjs', 'export const options = { dataMinutes: 0 };', '"dataMinutes"', ['options']);
});

test('what a recipe prints is not in the data on stdout', async () => {
  const path = write('talks.mjs', "console.log('loading');", []);
  const { status, stdout, stderr } = await command(...train(path, '--json', '-q'));
  expect([status, stderr, JSON.parse(stdout).kind]).toEqual([0, 'loading\n', 'hash']);
});

test('data that never come are reported: after a time, and at once where nothing is left to wait for', async () => {
  const slow = write(
    'slow.mjs',
    `export const data = () => new Promise(() => setInterval(() => {}, 1000));
    export const options = { dataMinutes: 0.001 };`,
    ['data', 'options'],
  );
  await expectRefusal(program(...train(slow, '--json')), 'recipe-failed', 'more than 0.001 minutes');
  const never = write('never.mjs', 'export const data = () => new Promise(() => {});', ['data']);
  await expectRefusal(program(...train(never, '--json')), 'recipe-failed', 'nothing is left to run');
  const stuck = write('stuck.mjs', 'await new Promise(() => {});');
  await expectRefusal(program(...train(stuck, '--json')), 'recipe-unreadable', 'nothing is left to run');
  const dataset = write(
    'dataset.mjs',
    `export const data = ({ tf }) => ({
      train: tf.data.generator(() => ({ next: () => new Promise(() => {}) })),
    });`,
    ['data'],
  );
  const { status, stderr } = await program(...train(dataset));
  expect([status, stderr]).toEqual([1, expect.stringContaining('stopped while waiting for a promise')]);
});
