// How long a whole apply takes where the engine lacks WebAssembly, WebCrypto, or a compiler, next to one that
// has all; opening, fingerprints before and after, patching, reading back: npm run -s bench -- fallbacks
// [--quick] [--weights N].

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { applyPayload } from '../src/apply/apply-payload.js';
import { openMemoryStore } from '../src/model/store.js';
import { packDiff } from '../src/payload/encode.js';
import { createRandom } from '../src/train/random.js';
import { median } from './common/median.js';
import { hashOp, sparseOp, weightsInfo } from './common/patch-cases.js';
import { applyInQuickJs } from './common/quickjs-apply.js';
import { printBench } from './common/report.js';

const { values: flags } = parseArgs({
  options: {
    weights: { type: 'string' },
    quick: { type: 'boolean' },
    json: { type: 'boolean' },
    child: { type: 'string' },
    lacks: { type: 'string', default: '' },
    rounds: { type: 'string', default: '3' },
  },
});
const allWeights = Number(flags.weights ?? (flags.quick ? 1_000_000 : 10_000_000));
const rounds = Number(flags.rounds);

/** Most times as long as with all that engines have. */
const MOST_TIMES = 5;

/** Share of the weights that QuickJS patches, set against an engine with all that patches as many. */
const SMALL_SHARE = 0.1;

/** A poorer engine: the globals that it lacks, and flags of Node.js. */
interface Engine {
  readonly name: string;
  readonly id?: string;
  readonly lacks?: readonly string[];
  readonly flags?: readonly string[];
  /** Times that each payload is applied. */
  readonly rounds?: number;
}

const QUICKJS = 'QuickJS';

const ENGINES: readonly Engine[] = [
  { name: 'all' },
  { name: 'no WebAssembly', id: 'no-wasm', lacks: ['WebAssembly'] },
  { name: 'no WebCrypto', id: 'no-crypto', lacks: ['crypto'] },
  { name: 'neither', id: 'neither', lacks: ['WebAssembly', 'crypto'] },
  { name: 'no compiler (--jitless)', flags: ['--jitless'], rounds: 1 },
];

const SMALL_ENGINES: readonly Engine[] = [{ name: 'all' }, { name: QUICKJS }];

const KINDS = ['hash', 'sparse'] as const;

const baseOf = (bytes: Uint8Array) => ({ tensors: [{ ...weightsInfo(bytes.length / 4), bytes }] });

/** Writes a base model, and a payload of each kind for it. */
async function prepare(folder: string, weights: number): Promise<void> {
  const random = createRandom(1);
  const values = Float32Array.from({ length: weights }, () => random() - 0.5);
  const base = new Uint8Array(values.buffer);
  writeFileSync(join(folder, 'base'), base);
  const ops = {
    hash: hashOp({ name: 'hash', block: 8, bucketCount: 2 ** 14, coding: 'levels' }),
    sparse: sparseOp(weights, 0.01),
  };
  for (const kind of KINDS) {
    const { payload } = await packDiff(baseOf(base), { ops: [ops[kind]] });
    writeFileSync(join(folder, kind), payload);
  }
}

/** Applies the payloads in this process. @returns the seconds of each round, by kind */
async function applyAll(folder: string): Promise<Record<string, number[]>> {
  for (const name of (flags.lacks as string).split(',')) if (name) Reflect.deleteProperty(globalThis, name);
  const seconds: Record<string, number[]> = {};
  const base = new Uint8Array(readFileSync(join(folder, 'base')));
  for (const kind of KINDS) {
    const payload = new Uint8Array(readFileSync(join(folder, kind)));
    seconds[kind] = [];
    for (let round = 0; round < rounds; round++) {
      const store = openMemoryStore(baseOf(base.slice()));
      const start = performance.now();
      await applyPayload(store, payload);
      seconds[kind].push((performance.now() - start) / 1000);
    }
  }
  return seconds;
}

async function runEngine(engine: Engine, folder: string, weights: number): Promise<Record<string, number[]>> {
  if (engine.name === QUICKJS) return applyInQuickJs(folder, weights, KINDS);
  const { lacks = [], flags: own = [], rounds: times = rounds } = engine;
  const program = fileURLToPath(import.meta.url);
  const set = { child: folder, lacks: lacks.join(','), rounds: times };
  const args = Object.entries(set).map(([name, value]) => `--${name}=${value}`);
  const printed = execFileSync(process.execPath, [...own, program, ...args], { encoding: 'utf8' });
  return JSON.parse(printed) as Record<string, number[]>;
}

/** A payload's application in an engine. */
interface Row {
  readonly weights: number;
  readonly engine: Engine;
  readonly kind: string;
  readonly seconds: number;
  /** Seconds as a multiple of those of the first engine. */
  readonly times: number;
}

/** Measures engines on a model of so many weights. */
async function compare(engines: readonly Engine[], weights: number): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'neural-diff-fallbacks-'));
  try {
    await prepare(folder, weights);
    const measured: { engine: Engine; seconds: Record<string, number[]> }[] = [];
    for (const engine of engines) {
      process.stderr.write(`Applying with ${engine.name}.\n`);
      measured.push({ engine, seconds: await runEngine(engine, folder, weights) });
    }
    return KINDS.flatMap((kind) => {
      const all = median(measured[0]?.seconds[kind] as number[]);
      return measured.map(({ engine, seconds }) => {
        const middle = median(seconds[kind] as number[]);
        return { weights, engine, kind, seconds: middle, times: middle / all };
      });
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const start = performance.now();
  const rows = [
    ...(await compare(ENGINES, allWeights)),
    ...(await compare(SMALL_ENGINES, Math.round(SMALL_SHARE * allWeights))),
  ];
  printBench({
    bench: 'fallbacks',
    seconds: (performance.now() - start) / 1000,
    rows: rows.map(({ engine, ...row }) => ({ ...row, engine: engine.name })),
    goals: rows.flatMap(({ engine: { id }, kind, times: value }) =>
      id ? [{ id: `fallbacks.${kind}.${id}`, value, goal: MOST_TIMES, better: 'lower' as const }] : [],
    ),
  });
}

if (flags.child === undefined) await main();
else process.stdout.write(JSON.stringify(await applyAll(flags.child)));
