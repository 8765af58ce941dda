// Lossless updates next to those of other programs: npm run -s bench -- exact [--quick] [BASE NEXT].

import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { equalBytes } from '../src/model/bytes.js';
import { DTYPES, type TensorInfo, totalBytes, totalElements } from '../src/model/tensor.js';
import { listModelFiles, openModel } from '../src/node/open-model.js';
import { printBench } from './common/report.js';
import { writeSafetensors } from './common/write-safetensors.js';
import { goalsOf, type MeasuredPair } from './exact/goals.js';
import { type ModelPair, trainPairs } from './exact/pairs.js';
import { type FilesPair, runPrograms } from './exact/programs.js';
import { measureRates, type Rates } from './exact/rates.js';
import { fetchReleases } from './exact/releases.js';

/** Letters of a problem in the table. */
const MOST_LETTERS = 120;

const { values: flags, positionals: paths } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, json: { type: 'boolean' } },
  allowPositionals: true,
});
const folder = mkdtempSync(join(tmpdir(), 'neural-diff-exact-'));
const start = performance.now();
const measured: MeasuredPair[] = [];
let rates: Rates | undefined;
try {
  if (paths.length === 2) {
    const [base, next] = paths as [string, string];
    const name = `${basename(base)} to ${basename(next)}`;
    await measure({ name, base: await filesOf(base), next: await filesOf(next) });
  } else {
    const trained = await trainPairs();
    const [light] = trained as [ModelPair];
    rates = measureRates(light.base, light.next);
    for (const pair of trained) await measure(writePair(pair));
    for (const pair of fetchReleases({ folder, isQuick: flags.quick, say })) await measure(pair);
  }
} finally {
  rmSync(folder, { recursive: true });
}
for (const tool of new Set(
  measured.flatMap(({ results }) => results.filter(isMissing)).map(({ tool }) => tool),
))
  say(`skipped ${tool}: not installed`);
printBench({
  bench: 'exact',
  seconds: (performance.now() - start) / 1000,
  rows: measured.flatMap(({ name, results, wholeBytes }) =>
    results.map(({ tool, bytes, problem, ...rest }) => {
      const share = bytes === null ? null : bytes / wholeBytes;
      return { pair: name, tool, bytes, share, ...rest, problem: problem?.slice(0, MOST_LETTERS) ?? null };
    }),
  ),
  goals: goalsOf(measured, rates),
});

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function isMissing({ problem }: { problem: string | null }): boolean {
  return problem === 'not installed';
}

async function filesOf(path: string): Promise<string[]> {
  const { folder, names } = await listModelFiles(path);
  return names.map((name) => join(folder, name));
}

function writePair({ name, base, next }: ModelPair): FilesPair {
  const [from, to] = [join(folder, 'base.safetensors'), join(folder, 'next.safetensors')];
  writeSafetensors(from, base);
  writeSafetensors(to, next);
  return { name, base: [from], next: [to] };
}

async function measure(pair: FilesPair): Promise<void> {
  const { name, base, next } = pair;
  say(name);
  const store = await openModel(next[0] as string);
  await store.close();
  const step = stepOf(store.tensors);
  measured.push({
    name,
    results: await runPrograms(pair, { folder, step }),
    wholeBytes: next.reduce((sum, path) => sum + statSync(path).size, 0),
    weights: totalElements(store.tensors),
    isIdentical: areEqual(base, next),
  });
}

/** @returns the bytes of an element in most of a model */
function stepOf(tensors: readonly TensorInfo[]): number {
  const bytesOf = (size: number): number =>
    totalBytes(tensors.filter(({ dtype }) => DTYPES[dtype].bytes === size));
  return [1, 2, 4, 8].reduce((most, size) => (bytesOf(size) > bytesOf(most) ? size : most));
}

function areEqual(base: readonly string[], next: readonly string[]): boolean {
  const [from, to] = [base, next].map((paths) => paths.map((path) => readFileSync(path)));
  return (
    base.length === next.length &&
    to?.every((bytes, i) => equalBytes(bytes, from?.[i] as Uint8Array)) === true
  );
}
