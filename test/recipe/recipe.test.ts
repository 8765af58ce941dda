import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { defineRecipe, loadRecipe } from '../../src/recipe/recipe.js';
import { unreadableRecipe } from '../../src/recipe/recipe-errors.js';

const home = mkdtempSync(join(tmpdir(), 'neural-diff-recipe-'));
afterAll(() => rmSync(home, { recursive: true }));

const FIELDS = "{ data: () => ({ train: {} }), loss: 'meanSquaredError' }";

function write(name: string, text: string): string {
  writeFileSync(join(home, name), text);
  return join(home, name);
}

test('a recipe may be one default export, in ES modules and in CommonJS', async () => {
  const texts = { 'whole.mjs': `export default ${FIELDS};`, 'whole.cjs': `module.exports = ${FIELDS};` };
  for (const [name, text] of Object.entries(texts)) {
    const recipe = await loadRecipe(write(name, text));
    expect(recipe, name).toMatchObject({ loss: 'meanSquaredError', data: expect.any(Function) });
  }
  const named = 'exports.data = () => ({ train: {} });\nexports.loss = "meanSquaredError";\n';
  expect((await loadRecipe(write('named.cjs', named))).loss).toBe('meanSquaredError');
});

test('names inside a default export are checked as those of a module', async () => {
  const misspelt = write('misspelt.mjs', `export default { ...${FIELDS}, metric: ['accuracy'] };`);
  await expect(loadRecipe(misspelt)).rejects.toMatchObject({
    code: 'recipe-invalid',
    message: expect.stringContaining('got "metric"'),
  });
  const empty = write('empty.mjs', 'export default {};');
  await expect(loadRecipe(empty)).rejects.toMatchObject({ code: 'recipe-invalid' });
});

test('named exports and a default export at once are refused, and so is a default that is no object', async () => {
  const both = write('both.mjs', `export const loss = 'absoluteDifference';\nexport default ${FIELDS};`);
  await expect(loadRecipe(both)).rejects.toMatchObject({
    code: 'recipe-invalid',
    message: expect.stringContaining('got both'),
  });
  const bare = write('bare.mjs', 'export default () => 1;');
  await expect(loadRecipe(bare)).rejects.toMatchObject({
    code: 'recipe-invalid',
    message: expect.stringContaining('a default export only'),
  });
});

test('defineRecipe() gives back what it gets', () => {
  const recipe = { data: () => ({ train: [] as never }), loss: 'meanSquaredError' };
  expect(defineRecipe(recipe)).toBe(recipe);
});

test('a recipe in TypeScript that Node.js does not run is refused with what to do', () => {
  const cause = Object.assign(new TypeError('Unknown file extension ".mts"'), {
    code: 'ERR_UNKNOWN_FILE_EXTENSION',
  });
  expect(unreadableRecipe('my/recipe.mts', cause)).toMatchObject({
    code: 'recipe-unreadable',
    message: expect.stringContaining(
      'compile it first: npx esbuild recipe.mts --outfile=recipe.mjs, or use Node.js 22.18',
    ),
  });
  expect(unreadableRecipe('recipe.mts', new SyntaxError('no')).message).not.toContain('esbuild');
  expect(unreadableRecipe('recipe.txt', cause).message).not.toContain('esbuild');
});

const STREAM =
  'frameSeconds: 0.01, threads: [1e9], branches: { small: 1, large: 2 }, run: () => ({ routes: [] })';

test.each([
  ['nothing but a function', '() => 1', 'an object with a function "run"'],
  ['a list', '[]', 'an object with a function "run"'],
  ['no function', `{ ${STREAM}, run: {} }`, 'an object with a function "run"'],
  ['no interval', `{ ${STREAM}, frameSeconds: 0 }`, 'a positive number of seconds as "frameSeconds"'],
  ['an endless interval', `{ ${STREAM}, frameSeconds: Infinity }`, 'seconds as "frameSeconds"'],
  ['an interval in a text', `{ ${STREAM}, frameSeconds: '1' }`, 'seconds as "frameSeconds"'],
  ['no threads', `{ ${STREAM}, threads: [] }`, 'a list of 1 to 8 speeds in FLOP/s as "threads"'],
  ['a thread without a list', `{ ${STREAM}, threads: 1e9 }`, 'FLOP/s as "threads"'],
  ['too many threads', `{ ${STREAM}, threads: Array(9).fill(1e9) }`, 'FLOP/s as "threads"'],
  ['a thread that stands still', `{ ${STREAM}, threads: [1e9, 0] }`, 'FLOP/s as "threads"'],
  ['a thread that is no number', `{ ${STREAM}, threads: [NaN] }`, 'FLOP/s as "threads"'],
  ['no branches', `{ ${STREAM}, branches: {} }`, 'the FLOPs of 1 to 256 branches by name as "branches"'],
  ['branches in a list', `{ ${STREAM}, branches: [1, 2] }`, 'branches by name as "branches"'],
  ['missing branches', `{ ${STREAM}, branches: undefined }`, 'branches by name as "branches"'],
  ['a branch that costs nothing', `{ ${STREAM}, branches: { small: 0 } }`, 'branches by name'],
  [
    'too many branches',
    `{ ${STREAM}, branches: Object.fromEntries(Array.from({ length: 257 }, (_, i) => ['b' + i, 1])) }`,
    'branches by name',
  ],
  [
    'a number as a name',
    `{ ${STREAM}, branches: { a: 1, 1: 2 } }`,
    'names of branches that are not numbers, got "1"',
  ],
])('loadRecipe() refuses a stream with %s', async (name, stream, words) => {
  const path = write(`${name}.mjs`, `export default { ...${FIELDS}, stream: ${stream} };`);
  await expect(loadRecipe(path)).rejects.toMatchObject({
    code: 'recipe-invalid',
    message: expect.stringMatching(/expected export "stream" to be an object/),
  });
  await expect(loadRecipe(path)).rejects.toThrow(words);
});

test('loadRecipe() takes a stream', async () => {
  const path = write('stream.mjs', `export default { ...${FIELDS}, stream: { ${STREAM} } };`);
  expect((await loadRecipe(path)).stream).toMatchObject({ frameSeconds: 0.01, threads: [1e9] });
});
