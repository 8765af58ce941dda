import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type Engine, type Material, packaged } from './engine.js';
import type { Proof } from './prove.js';

/** How a program is run that reads its cases from a file and prints what came of them. */
interface Program {
  readonly command: readonly string[];
  readonly cases?: 'all' | 'small';
  /** Statements before all others, which make the engine a poorer one. */
  readonly preamble?: string;
  readonly note?: string;
}

/** As a page's policy without 'wasm-unsafe-eval' does it. */
const REFUSE = `
const refuse = () => { throw new WebAssembly.CompileError('Wasm code generation disallowed by embedder'); };
WebAssembly.instantiate = WebAssembly.compile = async () => refuse();
WebAssembly.Module = class { constructor() { refuse(); } };`;

const SIGNED_BY_NOBLE = 'delete globalThis.crypto;';

const node = process.execPath;

const PROGRAMS: Readonly<Record<string, Program>> = {
  [`Node.js ${process.versions.node.split('.')[0]}`]: { command: [node] },
  'Node.js 22': { command: [packaged('node-22/bin/node')] },
  'Node.js 24': { command: [packaged('node-24/bin/node')] },
  'Node.js, `--jitless`': { command: [node, '--jitless'] },
  'Node.js, WebAssembly refused': { command: [node], preamble: REFUSE },
  'Node.js, no WebCrypto': { command: [node], preamble: SIGNED_BY_NOBLE },
  'Node.js, neither': { command: [node, '--jitless'], preamble: SIGNED_BY_NOBLE, cases: 'small' },
  Bun: { command: [packaged('@oven/bun-linux-x64/bin/bun')] },
  Deno: { command: [packaged('@deno/linux-x64-glibc/deno'), 'run', '-A'] },
};

/** Engines that are programs of their own. */
export const PROGRAM_ENGINES: readonly Engine[] = Object.entries(PROGRAMS).map(([name, program]) => ({
  name,
  needs: [program.command[0] as string],
  run: (material) => runProgram(name, program, material),
}));

async function runProgram(
  name: string,
  { command, cases = 'all', preamble = '' }: Program,
  { folder }: Material,
): Promise<Proof> {
  const file = join(folder, `${name.replaceAll(/\W+/g, '-')}.mjs`);
  writeFileSync(
    file,
    `${preamble}
import { readFileSync } from 'node:fs';
await import('./prove.mjs');
console.log(JSON.stringify(await prove(readFileSync(new URL('${cases}.json', import.meta.url), 'utf8'))));
`,
  );
  return JSON.parse(await output([...command, file])) as Proof;
}

/** Runs a program to its end. @returns what it prints */
export async function output([program, ...args]: readonly string[]): Promise<string> {
  const child = spawn(program as string, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const [printed, complaints, status] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise((resolve) => child.on('close', resolve)),
  ]);
  if (status !== 0) throw new Error(`${program} ended with status ${status}: ${complaints.slice(0, 2_000)}`);
  return printed;
}
