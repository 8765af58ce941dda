// Bytes of lossless updates next to those of other programs: npm run -s bench -- exact [BASE NEXT].

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { diffModels } from '../src/exact-diff/diff-stores.js';
import { concatBytes } from '../src/model/bytes.js';
import { copyModel } from '../src/model/store.js';
import type { Model } from '../src/model/tensor.js';
import { openModel } from '../src/node/open-model.js';
import { BYTE_DIFFERS, type FilePair, runByteDiffer } from '../src/report/measure/byte-differs.js';
import { type Goal, printBench } from './common/report.js';
import { type ModelPair, trainPairs } from './exact/pairs.js';
import { fetchReleases, type Release } from './exact/releases.js';

/**
 * What fine-tunes are to save next to the best of the others, and what an update may cost that saves nothing.
 */
const FINE_TUNED_GOAL = 0.75;
const OTHER_GOAL = 1.001;

/** What a program came to; null where it is not installed. */
interface ToolResult {
  readonly tool: string;
  readonly bytes: number | null;
  readonly seconds: number | null;
}

interface Row extends ToolResult {
  readonly pair: string;
  readonly share: number | null;
  readonly [column: string]: string | number | null;
}

interface Measured {
  readonly rows: readonly Row[];
  /** Bytes next to those of the best of the others. */
  readonly ratio: number;
  readonly goals: readonly Goal[];
}

const folder = mkdtempSync(join(tmpdir(), 'neural-diff-exact-'));
const start = performance.now();
const paths = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const measured: Measured[] = [];
try {
  if (paths.length === 2) {
    const [base, next] = paths as [string, string];
    measured.push(await measureFiles({ name: `${basename(base)} to ${basename(next)}`, base, next }));
  } else {
    for (const pair of await trainPairs()) measured.push(await measureModels(pair));
    for (const release of fetchReleases(folder, remark)) measured.push(await measureFiles(release));
  }
} finally {
  rmSync(folder, { recursive: true });
}
printBench({
  bench: 'exact',
  seconds: (performance.now() - start) / 1000,
  rows: measured.flatMap(({ rows }) => rows),
  goals: [...measured.flatMap(({ goals }) => goals), worstOf(measured)],
});

function remark(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** What the worst pair costs, whatever it is. */
function worstOf(pairs: readonly Measured[]): Goal {
  const value = Math.max(...pairs.map(({ ratio }) => ratio));
  return { id: 'exact.worst-ratio', value, goal: OTHER_GOAL, better: 'lower' };
}

/** Two files of any container; whether one was trained from the other is not known. */
async function measureFiles({ name, base, next }: Release): Promise<Measured> {
  const models = { base: await readModel(base), next: await readModel(next) };
  return measure({ name, isFineTuned: false, ...models }, { base, next, folder });
}

async function readModel(path: string): Promise<Model> {
  const store = await openModel(path);
  try {
    return await copyModel(store);
  } finally {
    await store.close();
  }
}

/** Other programs get the bytes of all tensors, one behind the other. */
async function measureModels(pair: ModelPair): Promise<Measured> {
  const files = { base: join(folder, 'base'), next: join(folder, 'next'), folder };
  writeFileSync(files.base, bytesOf(pair.base));
  writeFileSync(files.next, bytesOf(pair.next));
  return measure(pair, files);
}

async function measure({ name, base, next, isFineTuned }: ModelPair, files: FilePair): Promise<Measured> {
  const before = performance.now();
  const { payload } = await diffModels(base, next);
  const ours = {
    tool: 'neural-diff diff',
    bytes: payload.length,
    seconds: (performance.now() - before) / 1000,
  };
  const others: ToolResult[] = [];
  for (const tool of BYTE_DIFFERS) others.push(await runTool(tool, files));
  const whole = bytesOf(next).length;
  const rows = [ours, ...others].map((result) => {
    return { pair: name, ...result, share: result.bytes === null ? null : result.bytes / whole };
  });
  const best = Math.min(...others.flatMap(({ bytes }) => bytes ?? []));
  const id = `exact.${name.replaceAll(/[^\w.]+/g, '-')}`;
  const goal = isFineTuned ? FINE_TUNED_GOAL : OTHER_GOAL;
  const ratio = payload.length / best;
  return {
    rows,
    ratio,
    goals: [
      { id: `${id}.of-best-other`, value: ratio, goal, better: 'lower' },
      { id: `${id}.bytes`, value: payload.length, goal: Math.floor(goal * best), better: 'lower' },
      { id: `${id}.best-other-bytes`, value: best, goal: whole, better: 'lower' },
    ],
  };
}

async function runTool(tool: string, files: FilePair): Promise<ToolResult> {
  const found = await runByteDiffer(tool, files);
  return 'problem' in found
    ? { tool, bytes: null, seconds: null }
    : { tool, bytes: found.bytes, seconds: found.seconds };
}

function bytesOf({ tensors }: Model): Uint8Array {
  return concatBytes(tensors.map(({ bytes }) => bytes));
}
