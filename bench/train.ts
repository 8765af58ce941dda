// What a training step costs: on the kernels of TensorFlow.js and on ours, and for diffs next to plain
// training.

import { fork } from 'node:child_process';
import { join } from 'node:path';
import { type Goal, printBench } from './common/report.js';
import { MODELS } from './common/train-models.js';
import type { Mode } from './common/train-worker.js';

const WORKER = join(import.meta.dirname, 'common/train-worker.js');
const isQuick = process.argv.includes('--quick');

/** Milliseconds that each measurement may take; a step that takes longer is timed once. */
const BUDGET_MS = isQuick ? 1_000 : 4_000;

/** Times a step on the cpu backend must cost: convolutions have it worst there. */
const VS_CPU = { mlp: 20, cnn: 200, dscnn: 200, gru: 20, lstm: 20 } as const;

/** Times a step of a GraphModel must cost on the cpu backend, and may cost compared with a LayersModel. */
const GRAPH = { vsCpu: 50, vsLayers: 1.15 } as const;

/** Most that a diff step may cost, in plain steps. */
const DIFF_STEP = 1.15;

type Times = Readonly<Record<string, number | null>>;

function run(model: string, mode: Mode, budget: number): Promise<Times> {
  process.stderr.write(`${model}: ${mode} …\n`);
  return new Promise((resolve, reject) => {
    const child = fork(WORKER, [model, mode, String(budget)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    let times: Times | undefined;
    child.on('message', (message) => {
      times = message as Times;
      child.kill();
    });
    child.on('exit', (code) =>
      times ? resolve(times) : reject(new Error(`${model} on ${mode} ended with status ${code}`)),
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
  const diffs = await run(name, 'diffs', 5 * BUDGET_MS);
  const ratio = (way: string): number => (diffs[way] as number) / (diffs.plain as number);
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
    'vs LayersModel': null,
  });
  goals.push(
    { id: `train.${name}.vs-cpu`, value: speedUp, goal: VS_CPU[name], better: 'higher' },
    { id: `train.${name}.sparse-step`, value: ratio('sparse'), goal: DIFF_STEP, better: 'lower' },
    { id: `train.${name}.hash-step`, value: ratio('hash'), goal: DIFF_STEP, better: 'lower' },
  );
}
const onCpu = (await run('cnn', 'graph-cpu', 1)).graph as number;
const { graph, layers } = (await run('cnn', 'graph', BUDGET_MS)) as { graph: number; layers: number };
rows.push({
  network: 'the same CNN as a GraphModel',
  'cpu ms': onCpu,
  'simd ms': graph,
  'vs cpu': onCpu / graph,
  'vs LayersModel': graph / layers,
});
goals.push(
  { id: 'train.graph.vs-cpu', value: onCpu / graph, goal: GRAPH.vsCpu, better: 'higher' },
  { id: 'train.graph.vs-layers', value: graph / layers, goal: GRAPH.vsLayers, better: 'lower' },
);
printBench({ bench: 'train', seconds: (performance.now() - start) / 1000, rows, goals });
