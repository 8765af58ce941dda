import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { listRecipeFiles, listRecipes } from '../../../src/recipe/farm/recipe-files.js';
import { recipe, scratch } from '../../cli/command.js';
import { codeOf } from '../../support.js';

const folder = scratch();

function write(path: string, ...lines: string[]): string {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, lines.join('\n'));
  return file;
}

const REST = ["export const loss = 'meanSquaredError';", 'export const data = () => ({});'];

test('a recipe alone is one file', async () => {
  const path = write('alone/recipe.mjs', "import 'node:fs';", ...REST);
  expect(await listRecipeFiles(path)).toMatchObject({ main: 'recipe.mjs', files: ['recipe.mjs'] });
});

test('modules that are imported by relative paths belong to it, of any depth, also those imported later', async () => {
  write('deep/lib/b.mjs', "export * from '../lib/c.mjs';");
  write(
    'deep/lib/c.mjs',
    'export const c = 1;',
    "export { b as d } from './b.mjs';",
    'const b = 2;',
    'export { b };',
  );
  write('deep/later.mjs', 'export const late = true;');
  const lines = [
    "import '../lib/c.mjs';",
    "const late = () => import('../later.mjs');",
    'void late;',
    ...REST,
  ];
  const found = await listRecipeFiles(write('deep/recipes/recipe.mjs', ...lines));
  expect(found).toMatchObject({
    main: 'recipes/recipe.mjs',
    files: ['later.mjs', 'lib/b.mjs', 'lib/c.mjs', 'recipes/recipe.mjs'],
  });
});

test('files and folders that it names belong to it', async () => {
  write('data/set/a.csv', '1');
  write('data/set/inner/b.csv', '2');
  write('data/c.csv', '3');
  const path = write('data/recipe.mjs', "export const files = ['set', './c.csv'];", ...REST);
  const { files } = await listRecipeFiles(path);
  expect(files).toEqual(['c.csv', 'recipe.mjs', 'set/a.csv', 'set/inner/b.csv']);
});

test.each([
  ['a file that is not there', "export const files = ['nowhere.csv'];", 'file-not-found'],
  ['files that are no list', 'export const files = 3;', 'recipe-invalid'],
])('%s is refused', async (name, line, code) => {
  const path = write(`${name}/recipe.mjs`, line, ...REST);
  expect(await codeOf(() => listRecipeFiles(path))).toBe(code);
});

test('the recipes of a folder: another file of data makes another digest; other modules are left out', async () => {
  write('many/data.csv', '1');
  write('many/helper.mjs', 'export const help = 1;');
  write('many/recipe.mjs', "export const files = ['data.csv'];", ...REST);
  const [before, ...others] = await listRecipes(join(folder, 'many'));
  expect(others).toEqual([]);
  write('many/data.csv', '2');
  expect(await listRecipes(join(folder, 'many'))).not.toContain(before);
  expect((await listRecipes(dirname(recipe('points')))).length).toBeGreaterThan(5);
});
