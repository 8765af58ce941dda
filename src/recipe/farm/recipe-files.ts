import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { init, parse } from 'es-module-lexer/minimal';
import { NeuralDiffError } from '../../model/errors.js';
import { listFiles } from '../../node/folder.js';
import { loadRecipe } from '../recipe.js';
import { recipeDigest } from './job-spec.js';
import { digestOfFile } from './store-files.js';

/** Files of a recipe. */
export interface RecipeFiles {
  /** The folder that has all of them. */
  readonly root: string;
  /** The recipe module, relative to it. */
  readonly main: string;
  /** All files relative to it, sorted, with `/` on every platform. */
  readonly files: readonly string[];
}

/**
 * Lists the files of a recipe: the module, the modules that it imports by relative path, and what its export
 * `files` names. Packages are not listed: every machine has its own, of the same versions.
 *
 * @throws NeuralDiffError `file-not-found`; `recipe-unreadable`, `recipe-invalid`
 */
export async function listRecipeFiles(path: string): Promise<RecipeFiles> {
  const { files: named = [] } = await loadRecipe(path);
  const main = await realpath(path);
  const modules = await followImports(main);
  const data: string[] = [];
  for (const name of named) data.push(...(await filesAt(resolve(dirname(main), name), path)));
  const all = [...new Set([...modules, ...data])];
  const root = commonFolder(all);
  const inner = (file: string): string => relative(root, file).split(sep).join('/');
  return { root, main: inner(main), files: all.map(inner).sort() };
}

/**
 * @returns the digest of a recipe and of all of its files
 * @throws as `listRecipeFiles`
 */
export async function digestOfRecipe(path: string): Promise<string> {
  const { root, main, files } = await listRecipeFiles(path);
  const entries = files.map(async (file) => [file, await digestOfFile(join(root, file))] as const);
  return recipeDigest({ main, files: Object.fromEntries(await Promise.all(entries)) });
}

/**
 * Lists the recipes of a folder, not of its subfolders; modules that are no recipes are left out.
 *
 * @returns their digests
 * @throws NeuralDiffError `file-not-found`, `file-unreadable`
 */
export async function listRecipes(folder: string): Promise<string[]> {
  const names = [...(await listFiles(folder, '.mjs')), ...(await listFiles(folder, '.js'))];
  const digests: string[] = [];
  for (const name of names) {
    try {
      digests.push(await digestOfRecipe(join(folder, name)));
    } catch (error) {
      if (!(error instanceof NeuralDiffError && error.code.startsWith('recipe-'))) throw error;
    }
  }
  return digests;
}

async function followImports(main: string): Promise<Set<string>> {
  await init;
  const found = new Set([main]);
  for (const path of found) {
    if (!/\.m?js$/.test(path)) continue;
    const [imports] = parse(await readFile(path, 'utf8'), path);
    for (const { n: name } of imports) {
      if (!name || !/^(\.{1,2}\/|file:)/.test(name)) continue;
      found.add(await realpath(fileURLToPath(new URL(name, pathToFileURL(path)))));
    }
  }
  return found;
}

/** @returns a file, or all files of a folder */
async function filesAt(path: string, recipe: string): Promise<string[]> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile()) return [await realpath(path)];
  if (found?.isDirectory()) {
    const entries = await readdir(path, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  }
  const message = `Cannot use recipe "${recipe}": its export "files" names "${path}", expected a file or folder`;
  throw new NeuralDiffError('file-not-found', message);
}

function commonFolder(files: readonly string[]): string {
  let root = dirname(files[0] as string);
  const isOutside = (file: string): boolean => {
    const inner = relative(root, file);
    return inner.startsWith('..') || isAbsolute(inner);
  };
  while (files.some(isOutside) && dirname(root) !== root) root = dirname(root);
  return root;
}
