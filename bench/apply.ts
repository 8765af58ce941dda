// How fast weights are patched, next to the plain in-place addition of as many, the limit that memory sets:
// npm run -s bench -- apply [--quick] [--weights N].

import { parseArgs } from 'node:util';
import xxhash from 'xxhash-wasm';
import { createFastPatcher } from '../src/apply/fast/create-patcher.js';
import { decodePayload } from '../src/payload/decode.js';
import type { Op } from '../src/payload/diff.js';
import { type Patcher, plainPatcher } from '../src/payload/patch.js';
import { createDenseAdd } from './common/dense-add.js';
import { median } from './common/median.js';
import {
  encodeOp,
  HASH_CASES,
  hashOp,
  SPARSE_DENSITIES,
  sparseOp,
  weightsInfo,
} from './common/patch-cases.js';
import { type Goal, printBench } from './common/report.js';

/** Weights that h32Raw hashes one at a time, and that the plain arithmetic patches. */
const HASHED_WEIGHTS = 1_000_000;

const { values: flags } = parseArgs({
  options: { weights: { type: 'string' }, quick: { type: 'boolean' }, json: { type: 'boolean' } },
});
const weights = Number(flags.weights ?? (flags.quick ? 10_000_000 : 100_000_000));
const rounds = flags.quick ? 3 : 5;

/** Something that is timed, and how many weights or positions it goes over. */
interface Case {
  readonly name: string;
  readonly count: number;
  readonly run: () => unknown;
}

async function createCases(): Promise<Case[]> {
  const denseAdd = await createDenseAdd(weights);
  const fast = createFastPatcher();
  const lent = randomWeights(fast, weights);
  const plain = randomWeights(plainPatcher, weights);
  const info = weightsInfo(weights);
  const patch = (patcher: Patcher, bytes: Uint8Array, op: Op) => () =>
    patcher.patch([op], info, { startElement: 0, bytes });
  const cases: Case[] = [
    { name: 'dense add, wasm SIMD', count: weights, run: denseAdd.inWasm },
    { name: 'dense add, typed arrays', count: weights, run: denseAdd.inScript },
  ];
  for (const hashCase of HASH_CASES) {
    const op = hashOp(hashCase);
    cases.push({ name: hashCase.name, count: weights, run: patch(fast, lent, op) });
    if (hashCase.isCompared) {
      cases.push({ name: `${hashCase.name}, plain`, count: weights, run: patch(plainPatcher, plain, op) });
    }
  }
  for (const density of SPARSE_DENSITIES) {
    const op = sparseOp(weights, density);
    const payload = await encodeOp(op, info);
    const name = `sparse, density ${density}`;
    const count = op.positions.length;
    const decodeAndPatch = async () =>
      patch(fast, lent, (await decodePayload(payload, [info])).diff.ops[0] as Op)();
    cases.push({ name, count, run: patch(fast, lent, op) });
    cases.push({ name: `${name}, plain`, count, run: patch(plainPatcher, plain, op) });
    cases.push({ name: `${name}, decoding`, count, run: () => decodePayload(payload, [info]) });
    cases.push({ name: `${name}, decoding and patching`, count, run: decodeAndPatch });
  }
  cases.push({ name: 'h32Raw a weight', count: HASHED_WEIGHTS, run: await createHashing() });
  return cases;
}

/** Small weights of both signs, with a period that no cache holds. */
function randomWeights(patcher: Patcher, count: number): Uint8Array {
  const bytes = patcher.allocate(4 * count);
  const values = new Float32Array(bytes.buffer, bytes.byteOffset, count);
  for (let i = 0; i < count; i++) values[i] = ((Math.imul(i, 0x9e3779b1) >>> 8) - 2 ** 23) * 2 ** -25;
  return bytes;
}

async function createHashing(): Promise<() => void> {
  const { h32Raw } = await xxhash();
  const key = new Uint8Array(4);
  const view = new DataView(key.buffer);
  return () => {
    let mixed = 0;
    for (let i = 0; i < HASHED_WEIGHTS; i++) {
      view.setUint32(0, i, true);
      mixed ^= h32Raw(key, 7);
    }
    if (mixed === 0) throw new Error('Hashes of successive numbers cancelled out');
  };
}

/** Runs all cases in turn, round after round, so that what else the machine does meets all of them alike. */
async function measure(cases: readonly Case[]): Promise<Map<string, number>> {
  const seconds = new Map(cases.map(({ name }): [string, number[]] => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const { name, run } of cases) {
      const start = performance.now();
      await run();
      // The first round only warms up.
      if (round >= 0) seconds.get(name)?.push((performance.now() - start) / 1000);
    }
  }
  return new Map([...seconds].map(([name, list]) => [name, median(list)]));
}

const start = performance.now();
const cases = await createCases();
const seconds = await measure(cases);
const rate = (name: string): number =>
  (cases.find((each) => each.name === name) as Case).count / (seconds.get(name) as number);
const limit = Math.max(rate('dense add, wasm SIMD'), rate('dense add, typed arrays'));
const sparseRates = SPARSE_DENSITIES.map((density) =>
  rate(`sparse, density ${density}, decoding and patching`),
);
const goals: Goal[] = HASH_CASES.filter(({ goal }) => goal !== undefined).map(({ name, block, goal }) => ({
  id: `apply.hash.block${block}.vs-dense-add`,
  value: rate(name) / limit,
  goal: goal as number,
  better: 'higher',
}));
goals.push(
  {
    id: 'apply.hash.block1.weights-per-second',
    value: rate('hash, block 1, 16384 ternary buckets'),
    goal: 0.8e9,
    better: 'higher',
  },
  {
    id: 'apply.sparse.positions-per-second',
    value: Math.min(...sparseRates),
    goal: 50e6,
    better: 'higher',
  },
);
printBench({
  bench: 'apply',
  seconds: (performance.now() - start) / 1000,
  rows: cases.map(({ name, count }) => ({
    case: name,
    count,
    seconds: seconds.get(name) as number,
    perSecond: Math.round(rate(name)),
    vsDenseAdd: name.startsWith('sparse') || name.startsWith('h32Raw') ? null : rate(name) / limit,
  })),
  goals,
});
