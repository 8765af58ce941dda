// What a training step costs: on the kernels of TensorFlow.js and on ours, and for diffs next to plain
// training: npm run -s bench -- train [--quick] [--json].

import { fork } from 'node:child_process';
import { join } from 'node:path';
import { pairedRatio, type Round } from './common/paired-ratios.js';
import { type Goal, printBench } from './common/report.js';
import { MODELS } from './common/train-models.js';
import type { Mode } from './common/train-worker.js';

const WORKER = join(import.meta.dirname, 'common/train-worker.js');
const isQuick = process.argv.includes('--quick');

/** Milliseconds that each measurement may take; a step that takes longer is timed once. */
const BUDGET_MS = isQuick ? 1_000 : 4_000;

/** Times a step on the cpu backend must cost: convolutions have it worst there. */
const VS_CPU = { mlp: 20, cnn: 200, dscnn: 200, gru: 20, lstm: 20 } as const;

/**
 * Times a step of a GraphModel or an ONNX graph with convolutions must cost on the cpu backend, and may cost
 * compared with the same network written for TensorFlow.js.
 */
const GRAPH = { vsCpu: 50, vsTwin: 1.15 } as const;

/** Most that a diff step may cost, in plain steps of the same round: the median over rounds. */
const DIFF_STEP = 1.15;

/** Ways of training diffs: the column of their quartiles, and the goal's name. */
const DIFFS = {
  sparse: { column: 'sparse', goal: 'sparse-step' },
  annealed: { column: 'annealed', goal: 'annealed-step' },
  hash: { column: 'hash', goal: 'hash-step' },
  hashBlock1: { column: 'blocks of 1', goal: 'hash-block-1-step' },
} as const;

type Times = Readonly<Record<string, number | null>>;

/** @returns what the worker says: `Times`, or for diffs a list of rounds */
function run<Answer = Times>(model: string, mode: Mode, budget: number): Promise<Answer> {
  process.stderr.write(`${model}: ${mode} …\n`);
  return new Promise((resolve, reject) => {
    const child = fork(WORKER, [model, mode, String(budget)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    let answer: Answer | undefined;
    child.on('message', (message) => {
      answer = message as Answer;
      child.kill();
    });
    child.on('exit', (code) =>
      answer ? resolve(answer) : reject(new Error(`${model} on ${mode} ended with status ${code}`)),
    );
  });
}

const rows = [];
const goals: Goal[] = [];
const start = performance.now();
for (const { name, title } of MODELS) {
  const plain: Partial<Record<Mode, number | null>> = {};
  for (const mode of ['cpu', 'stock', 'composed', 'simd'] as const) {
    plain[mode] = (await run(name, mode, BUDGET_MS)).plain ?? null;
  }
  const rounds = await run<Round[]>(name, 'diffs', 5 * BUDGET_MS);
  const ratio = (way: string): number => pairedRatio(rounds, way, 'plain').median;
  const speedUp = (plain.cpu as number) / (plain.simd as number);
  rows.push({
    network: title,
    'cpu ms': plain.cpu as number,
    'stock wasm ms': plain.stock as number | null,
    'composed ms': plain.composed as number,
    'simd ms': plain.simd as number,
    'vs cpu': speedUp,
    'fine-tune': ratio('fineTune'),
    'sparse diff': ratio('sparse'),
    'annealed diff': ratio('annealed'),
    'hash diff': ratio('hash'),
    'hash, blocks of 1': ratio('hashBlock1'),
    'vs twin': null,
    rounds: rounds.length,
    ...quartilesOf(rounds),
  });
  goals.push({ id: `train.${name}.vs-cpu`, value: speedUp, goal: VS_CPU[name], better: 'higher' });
  for (const [way, { goal }] of Object.entries(DIFFS))
    goals.push({ id: `train.${name}.${goal}`, value: ratio(way), goal: DIFF_STEP, better: 'lower' });
}

/** @returns lower and upper quartile of every kind of diff step, in plain steps of the same round */
function quartilesOf(rounds: readonly Round[]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(DIFFS).map(([way, { column }]) => {
      const { lowerQuartile, upperQuartile } = pairedRatio(rounds, way, 'plain');
      return [`${column} quartiles`, `${lowerQuartile.toFixed(3)} to ${upperQuartile.toFixed(3)}`];
    }),
  );
}

/** Networks that are timed as graphs, too; recurrent and dense ones have no convolutions to win on. */
const GRAPHS = [
  { name: 'cnn', format: 'graph', title: 'the CNN as a GraphModel', hasConvolutions: true },
  { name: 'cnn', format: 'onnx', title: 'the CNN as an ONNX graph', hasConvolutions: true },
  { name: 'dscnn', format: 'onnx', title: 'the DS-CNN as an ONNX graph', hasConvolutions: true },
  { name: 'mlp', format: 'onnx', title: 'the MLP as an ONNX graph', hasConvolutions: false },
  { name: 'transformer', format: 'onnx', title: 'transformer block, ONNX graph', hasConvolutions: false },
] as const;

for (const { name, format, title, hasConvolutions } of GRAPHS) {
  const onCpu = (await run(name, `${format}-cpu`, 1))[format] as number;
  const times = await run(name, format, BUDGET_MS);
  const [step, twin] = [times[format], times.twin] as [number, number];
  rows.push({
    network: title,
    'cpu ms': onCpu,
    'simd ms': step,
    'vs cpu': onCpu / step,
    'vs twin': step / twin,
  });
  const id = `train.${format}.${name}`;
  if (hasConvolutions)
    goals.push({ id: `${id}.vs-cpu`, value: onCpu / step, goal: GRAPH.vsCpu, better: 'higher' });
  goals.push({ id: `${id}.vs-twin`, value: step / twin, goal: GRAPH.vsTwin, better: 'lower' });
}
printBench({ bench: 'train', seconds: (performance.now() - start) / 1000, rows, goals });
