import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EXIT, EXIT_DESCRIPTIONS } from '../../cli/exit-codes.js';
import { command } from './command.js';

const ROOT = join(import.meta.dirname, '..', '..');
const NAMES = readdirSync(join(ROOT, 'cli', 'commands')).map((file) => file.replace(/\.ts$/, ''));

/** Most modules that a command may load that does little. */
const MODULES_OF_VERSION = 15;
const MODULES_OF_INFO = 100;

/** @returns modules of the project and its packages that a command line loads */
function modulesOf(...args: string[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'neural-diff-modules-'));
  const main = join(ROOT, 'dist', 'cli', 'main.js');
  execFileSync(process.execPath, [main, ...args], { env: { ...process.env, NODE_V8_COVERAGE: folder } });
  const [file = ''] = readdirSync(folder);
  const { result }: { result: { url: string }[] } = JSON.parse(readFileSync(join(folder, file), 'utf8'));
  return result.map(({ url }) => url).filter((url) => url.startsWith('file:'));
}

test('--version prints the version of the package', async () => {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  expect(await command('--version')).toEqual({ status: 0, stdout: `${manifest.version}\n`, stderr: '' });
});

test('--help lists every command once, with what it does, and every exit status', async () => {
  const { status, stdout } = await command('--help');
  expect(status).toBe(0);
  const listed = [...stdout.matchAll(/^ {3}([a-z][a-z-]*) {2,}[A-Z].{10,}[^.]$/gm)].map(([, name]) => name);
  expect(listed.sort()).toEqual(NAMES);
  const statuses = [...stdout.matchAll(/^ {3}(\d+) +(.+)$/gm)].map(([, code, description]) => [
    Number(code),
    description,
  ]);
  expect(statuses).toEqual(
    Object.entries(EXIT).map(([name, code]) => [code, EXIT_DESCRIPTIONS[name as keyof typeof EXIT]]),
  );
});

test('--help of every command says how it is called and what it does, with an example', async () => {
  const pages = await Promise.all(NAMES.map(async (name) => ({ name, ...(await command(name, '--help')) })));
  for (const { name, status, stdout } of pages) {
    expect(status).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Usage: neural-diff ${name}[^]*\\n\\n[A-Z][a-z]+ .*\\.\\n`));
    expect(stdout).toMatch(new RegExp(`^Examples:\\n {3}# .*\\n {3}neural-diff ${name} `, 'm'));
    expect(stdout.split('\n').filter((line) => line.length > 100)).toEqual([]);
  }
});

test('docs/CLI.md has every command, and is as the commands make it', () => {
  const document = readFileSync(join(ROOT, 'docs', 'CLI.md'), 'utf8');
  const titles = [...document.matchAll(/^### (.+)$/gm)].map(([, name]) => name);
  expect(titles.sort()).toEqual(NAMES);
  const check = [join(ROOT, 'dist', 'scripts', 'cli-docs.js'), '--check'];
  expect(execFileSync(process.execPath, check, { cwd: ROOT, encoding: 'utf8' })).toContain('as written');
});

test('--version and info load few modules', () => {
  const payload = join(ROOT, 'test', 'golden', 'accept', 'every-element', 'payload.ndiff');
  expect(modulesOf('--version').length).toBeLessThanOrEqual(MODULES_OF_VERSION);
  const ofInfo = modulesOf('info', payload);
  expect(ofInfo.length).toBeLessThanOrEqual(MODULES_OF_INFO);
  expect(ofInfo.filter((url) => url.includes('/cli/commands/')).length).toBe(1);
});

test.each([
  [['aply'], 'Unknown command "aply" (did you mean apply?). See neural-diff --help'],
  [['toString'], 'Unknown command "toString". See neural-diff --help'],
  [['../commands/info'], 'Unknown command "../commands/info". See neural-diff --help'],
  [['info', 'x', '--jsno'], 'Unknown flag --jsno (did you mean --json?). See neural-diff info --help'],
  [['-q'], 'Expected a command. See neural-diff --help'],
])('neural-diff %j is refused with what was expected', async (args, message) => {
  const { status, stderr } = await command(...args);
  expect([status, stderr]).toEqual([2, `neural-diff: ${message}\n`]);
});
