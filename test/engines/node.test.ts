import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serialize } from 'node:v8';
import { beforeAll, expect, test } from 'vitest';
import { bundleForEngine } from './bundle.js';
import type { KitCase } from './kit.js';
import { kitCases } from './kit-cases.js';

const folder = mkdtempSync(join(tmpdir(), 'neural-diff-engines-'));
const at = (name: string): string => join(folder, name);

/** Runs the kit, after what makes the engine a poorer one. */
const programOf = (cases: string, preamble: string): string => `
${preamble}
import { readFileSync } from 'node:fs';
import { deserialize } from 'node:v8';
const { runKit, capabilities } = await import('./kit.mjs');
const cases = deserialize(readFileSync(new URL('${cases}.bin', import.meta.url)));
console.log(JSON.stringify({ count: cases.length, found: capabilities(), failed: await runKit(cases) }));
`;

beforeAll(async () => {
  writeFileSync(at('kit.mjs'), await bundleForEngine('kit.ts'));
  const cases = kitCases();
  writeFileSync(at('all.bin'), serialize(cases));
  writeFileSync(at('small.bin'), serialize(cases.filter(({ base }) => bytesOf(base) < 10_000)));
});

const bytesOf = ({ tensors }: KitCase['base']): number =>
  tensors.reduce((sum, { bytes }) => sum + bytes.length, 0);

const ALL = { webAssembly: true, webCrypto: true };

/** As a page's policy without 'wasm-unsafe-eval' does it. */
const REFUSE = `
const refuse = () => { throw new WebAssembly.CompileError('Wasm code generation disallowed by embedder'); };
WebAssembly.instantiate = WebAssembly.compile = async () => refuse();
WebAssembly.Module = class { constructor() { refuse(); } };`;

test.each([
  ['Node.js', [], '', ALL],
  ['without WebAssembly', ['--jitless'], '', { webAssembly: false, webCrypto: true }],
  ['where WebAssembly is refused', [], REFUSE, { webAssembly: false, webCrypto: true }],
  ['without WebCrypto', [], 'delete globalThis.crypto;', { ...ALL, webCrypto: false }],
  ['without either', ['--jitless'], 'delete globalThis.crypto;', { webAssembly: false, webCrypto: false }],
])('the conformance kit passes %s', (name, flags, preamble, expected) => {
  const program = at(`${name.replaceAll(/\W/g, '-')}.mjs`);
  writeFileSync(program, programOf(expected.webAssembly || expected.webCrypto ? 'all' : 'small', preamble));
  const { stdout, stderr } = spawnSync(process.execPath, [...flags, program], { encoding: 'utf8' });
  expect(stderr.replaceAll(/.*warning.*\n/gi, '')).toBe('');
  const { count, found, failed } = JSON.parse(stdout);
  expect(found).toEqual(expected);
  expect(failed).toEqual([]);
  expect(count).toBeGreaterThan(80);
});
