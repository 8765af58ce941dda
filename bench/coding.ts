// How many bits a changed weight takes in a payload, next to what a code needs that knows the density alone:
// npm run -s bench -- coding [--quick].

import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { elementCount, type TensorInfo, totalElements } from '../src/model/tensor.js';
import type { SparseOp } from '../src/payload/diff.js';
import { encodeRecords } from '../src/payload/encode-records.js';
import { SparseReader } from '../src/payload/sparse-record.js';
import { sparseOp, weightsInfo } from './common/patch-cases.js';
import { type Goal, printBench } from './common/report.js';
import { trainChange } from './common/trained-diff.js';

const RANDOM_ELEMENTS = 2 ** 22;
const RANDOM_DENSITIES = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];
const TRAINED_DENSITIES = [0.01, 0.02, 0.05];

/** Bits of a level that is as likely each of -4 to 4. */
const LEVEL_BITS = 3;

/** How far random masks may be above the bound. */
const MAX_OVER_BOUND = 0.003;

const { values: flags } = parseArgs({ options: { quick: { type: 'boolean' }, json: { type: 'boolean' } } });

/** Bits that a mask takes at least when only its density is known: N H(p). */
function entropyBits(elements: number, changed: number): number {
  const rest = elements - changed;
  return changed * Math.log2(elements / changed) + (rest === 0 ? 0 : rest * Math.log2(elements / rest));
}

/** Bits of format 0: gaps in the best Rice code, levels in a fixed number of bits. */
function riceBits({ positions }: SparseOp): number {
  let least = Number.POSITIVE_INFINITY;
  for (let rice = 0; rice <= 24; rice++) {
    let quotients = 0;
    for (let i = 0; i < positions.length; i++) {
      const before = i === 0 ? -1 : (positions[i - 1] as number);
      quotients += Math.floor(((positions[i] as number) - before - 1) / 2 ** rice);
    }
    least = Math.min(least, quotients + positions.length * (1 + rice + LEVEL_BITS));
  }
  return least;
}

/** Bits of positions in four bytes and levels in one, as gzip packs them. */
function gzipBits(ops: readonly SparseOp[]): number {
  const parts = ops.flatMap(({ positions, levels }) => [
    Buffer.from(positions.buffer),
    Buffer.from(Int8Array.from(levels).buffer),
  ]);
  return 8 * gzipSync(Buffer.concat(parts), { level: 9 }).length;
}

/** @returns bits of the records */
function codedBits(ops: readonly SparseOp[], tensors: readonly TensorInfo[]): number {
  return encodeRecords(ops, tensors).reduce((sum, { bytes }) => sum + 8 * bytes.length, 0);
}

/** @returns seconds that reading takes */
function timeReading(ops: readonly SparseOp[], tensors: readonly TensorInfo[]): number {
  const [record] = encodeRecords(ops, tensors);
  const start = performance.now();
  const reader = new SparseReader(record?.bytes ?? new Uint8Array(), tensors, { kind: 'sparse' });
  for (const info of reader.tensors) reader.read(info, { start: 0, end: elementCount(info) });
  return (performance.now() - start) / 1000;
}

/** A row of the table: everything but seconds in bits a changed weight. */
function measure(mask: string, ops: readonly SparseOp[], tensors: readonly TensorInfo[]) {
  const changed = ops.reduce((sum, { positions }) => sum + positions.length, 0);
  const elements = totalElements(tensors);
  const plainLevels = ops.map((op) => ({ ...op, levels: new Int16Array(op.levels.length).fill(1) }));
  const start = performance.now();
  const all = codedBits(ops, tensors);
  const encodeSeconds = (performance.now() - start) / 1000;
  const positions = codedBits(plainLevels, tensors);
  return {
    mask,
    density: changed / elements,
    changed,
    entropy: entropyBits(elements, changed) / changed,
    positions: positions / changed,
    levels: (all - positions) / changed,
    all: all / changed,
    format0: ops.reduce((sum, op) => sum + riceBits(op), 0) / changed,
    gzip: gzipBits(ops) / changed,
    encodeSeconds,
    decodeSeconds: timeReading(ops, tensors),
  };
}

const start = performance.now();
const info = weightsInfo(RANDOM_ELEMENTS);
const random = RANDOM_DENSITIES.filter((density) => !flags.quick || density >= 0.01).map((density) =>
  measure('random', [sparseOp(RANDOM_ELEMENTS, density)], [info]),
);
const overBound = random.map(({ all, entropy }) => all / (entropy + LEVEL_BITS) - 1);
const change = await trainChange(flags.quick ? 500 : 4_000);
const trained = TRAINED_DENSITIES.map((density) => measure('trained', change.cut(density), change.tensors));
const goals: Goal[] = [
  {
    id: 'coding.random.worst-over-bound',
    value: Math.max(...overBound),
    goal: MAX_OVER_BOUND,
    better: 'lower',
  },
  ...trained.map(({ all, entropy }, i): Goal => {
    const id = `coding.trained.bits-per-weight.${TRAINED_DENSITIES[i]}`;
    return { id, value: all, goal: entropy + LEVEL_BITS, better: 'lower' };
  }),
];
printBench({
  bench: 'coding',
  seconds: (performance.now() - start) / 1000,
  rows: [...random, ...trained],
  goals,
});
