import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { beforeAll, expect, test } from 'vitest';
import { starterRecipe } from '../../cli/starter.js';
import { command, expectRefusal, type Outcome, scratch } from './command.js';

const home = scratch();
const project = join(home, 'demo');

let started: Outcome;
beforeAll(async () => {
  started = await command('init', project, '--json');
});

/** The words of a command line, with its paths below the project. */
function wordsOf(line: string): string[] {
  const isPath = /^(models|releases|release|report|recipe|v2)\b/;
  const words = line.split(' ');
  return words.map((word, i) => (i > 0 && isPath.test(word) ? join(project, word) : word));
}

test('init writes a recipe and a base, and prints commands that run in their order', async () => {
  expect(started.status).toBe(0);
  const { commands, ...facts } = JSON.parse(started.stdout);
  const [recipe, base] = [join(project, 'recipe.mjs'), join(project, 'models/v1')];
  expect(facts).toEqual({ folder: project, recipe, base });
  expect(readdirSync(base).sort()).toEqual(['group1-shard1of1.bin', 'model.json']);
  const results = new Map<string, Outcome>();
  for (const line of commands as string[]) {
    const [name = '', ...words] = wordsOf(line);
    const outcome = await command(name, ...words, '--json');
    expect([line, outcome.status, outcome.stderr.includes('error')]).toEqual([line, 0, false]);
    results.set(name, outcome);
  }
  expect([...results.keys()]).toEqual(['train', 'info', 'apply', 'report', 'keys', 'publish']);
  const jsonOf = (name: string) => JSON.parse(results.get(name)?.stdout ?? '');
  const { payloadBytes, metrics } = jsonOf('train');
  expect(payloadBytes).toBeLessThanOrEqual(678);
  expect(metrics.base.accuracy).toBeLessThan(0.55);
  expect(metrics.full.accuracy).toBeGreaterThan(0.95);
  expect(metrics.diff.accuracy).toBeGreaterThan(metrics.full.accuracy - 0.03);
  expect(existsSync(join(project, 'report/report.html'))).toBe(true);
  expect(jsonOf('publish').release.counter).toBe(2);
});

test('init writes the same files again with --force, and no others', async () => {
  const shard = join(project, 'models/v1/group1-shard1of1.bin');
  const [weights, names] = [readFileSync(shard), readdirSync(project)];
  writeFileSync(join(project, 'recipe.mjs'), '');
  writeFileSync(shard, '');
  expect((await command('init', project, '--force', '-q')).status).toBe(0);
  expect(readFileSync(shard).equals(weights)).toBe(true);
  expect(readFileSync(join(project, 'recipe.mjs'), 'utf8')).toBe(starterRecipe('js'));
  expect(readdirSync(project)).toEqual(names);
});

test('init prints the folder to change to, quoted for a shell', async () => {
  const { stdout, stderr } = await command('init', join(home, "it's new"), '--dry-run');
  expect(stdout.split('\n')[0]).toBe(`cd '${home}/it'\\''s new'`);
  expect(stdout).toContain('\nnpx neural-diff train hash --base models/v1 --recipe recipe.mjs ');
  expect(stderr).toContain('would write');
  expect(existsSync(join(home, "it's new"))).toBe(false);
});

test('init refuses to replace a recipe or a model, and keeps other files', async () => {
  await expectRefusal(command('init', project, '--json'), 'output-exists', 'recipe.mjs');
  const other = join(home, 'other');
  mkdirSync(join(other, 'models/v1'), { recursive: true });
  await expectRefusal(command('init', other, '--json'), 'output-exists', 'models/v1');
  await expectRefusal(command('init', other, '--dry-run', '--json'), 'output-exists', 'models/v1');
  expect(readdirSync(other)).toEqual(['models']);
});

test('init refuses a folder without a parent, a file, and an unknown language', async () => {
  await expectRefusal(command('init', join(home, 'no/such'), '--json'), 'file-not-found', 'no');
  await expectRefusal(command('init', join(project, 'recipe.mjs'), '--json'), 'file-not-found', 'recipe.mjs');
  await expectRefusal(command('init', home, '--language', 'py', '--json'), 'usage', 'expected one of js, ts');
});

test('init writes TypeScript where Node.js runs it, and refuses it elsewhere', async () => {
  const folder = join(home, 'typed');
  const outcome = command('init', folder, '--language', 'ts', '--json');
  if (!(process.features as { typescript?: unknown }).typescript)
    return expectRefusal(outcome, 'usage', 'Node.js 22.18 or newer');
  expect((await outcome).status).toBe(0);
  expect(readdirSync(folder).sort()).toEqual(['models', 'recipe.mts']);
});

test('the recipe in TypeScript has the types of the package', () => {
  const file = join(import.meta.dirname, 'starter-recipe.mts');
  const text = starterRecipe('ts');
  const options: ts.CompilerOptions = {
    ...{ strict: true, noUncheckedIndexedAccess: true, noEmit: true, skipLibCheck: true },
    ...{ target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, types: [] },
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (path) => path === file || fileExists(path);
  host.readFile = (path) => (path === file ? text : readFile(path));
  host.getSourceFile = (path, target) =>
    path === file ? ts.createSourceFile(path, text, target) : getSourceFile(path, target);
  const problems = ts.getPreEmitDiagnostics(ts.createProgram([file], options, host));
  expect(problems.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([]);
  expect(text).toContain("import type { Recipe } from 'neural-diff/sweep'");
});
