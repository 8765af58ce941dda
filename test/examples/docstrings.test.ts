import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Example, readExamples } from '../../scripts/examples.js';
import { type FileServer, serveFiles } from '../browser/file-server.js';
import { linkPackages, writeFixtures } from './docstring-fixtures.js';

/** The functions that users call first. */
const FIRST = 20;

const folder = mkdtempSync(join(tmpdir(), 'neural-diff-examples-'));
const examples = readExamples();

/** Serves what a device downloads. */
let server: FileServer;

beforeAll(async () => {
  mkdirSync(join(folder, 'fixtures'));
  linkPackages(folder);
  await writeFixtures(join(folder, 'fixtures'));
  server = await serveFolder(join(folder, 'fixtures'));
});

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Serves the repository as it is when this is called. */
function serveFolder(root: string): Promise<FileServer> {
  const paths = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  return serveFiles(
    new Map(paths.map((path) => [path.slice(root.length + 1), new Uint8Array(readFileSync(path))])),
  );
}

/** Writes an example as a module in a folder with fixtures. @returns its path */
function prepare({ name, module }: Example): string {
  const own = join(folder, name);
  cpSync(join(folder, 'fixtures'), own, { recursive: true });
  const { outputText } = ts.transpileModule(module, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  });
  writeFileSync(join(own, 'example.mjs'), outputText.replace('https://example.com', server.origin));
  return join(own, 'example.mjs');
}

/** Runs modules in one process. @returns what failed */
async function run(paths: readonly string[]): Promise<unknown> {
  const child = fork(join(import.meta.dirname, 'run-modules.mjs'), paths, {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const [failures] = await Promise.race([once(child, 'message'), once(child, 'exit')]);
  return failures;
}

test('the functions that users call first have examples', () => {
  expect(examples.length).toBeGreaterThanOrEqual(FIRST);
});

test('examples run', async () => {
  expect(await run(examples.map(prepare))).toEqual([]);
});
