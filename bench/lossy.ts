// Bytes, errors and accuracy of lossy diffs: npm run -s bench -- lossy.
import { diffModels } from '../src/exact-diff/diff-stores.js';
import { fitModels } from '../src/exact-diff/lossy/fit-models.js';
import { type Model, totalBytes } from '../src/model/tensor.js';
import { decodePayload } from '../src/payload/decode.js';
import { patchModel } from '../src/payload/patch.js';
import { fineTune } from '../src/train/fine-tune.js';
import { takeBase, weightsOfModel } from '../src/train/session.js';
import { accuracyOf, arraysOf, prepare } from './common/prepare.js';
import { printBench } from './common/report.js';
import { inHalves, withValues } from './exact/pairs.js';
import { findTask } from './tasks/index.js';
import type { Stage } from './tasks/task.js';

/** Errors that diffs are made with. */
const ERRORS = [0.01, 0.05, 0.2, 0.5, 0.8];

/** A payload's result, and what it is next to the next model. */
interface Measured {
  readonly pair: string;
  readonly way: string;
  readonly model: Model;
  readonly bytes: number;
  readonly error: number;
}

/** What a lossy diff of 5 % is to take next to the exact one. */
const GOAL = 0.3;

const start = performance.now();
const { task, data } = await prepare(findTask('keywords'), { task: 'keywords', seed: 1, quick: true });
const arrays = arraysOf(data.stages[1] as Stage, data.classes);
const base = (await takeBase(task)).model;
const trainable = new Set((await takeBase(task)).trainable.keys());
const rows: Record<string, string | number>[] = [];
await addRow({ pair: 'none', way: 'base', model: base, bytes: 0, error: 1 });
const { epochs, learningRate } = data.fineTuning;
for (const [name, plan] of Object.entries({
  light: { epochs: 1, learningRate: 1e-5 },
  heavy: { epochs, learningRate },
})) {
  const full = await fineTune({ task, train: arrays.train, ...data.fineTuning, ...plan, seed: 1 });
  const next = withValues(base, full.weights);
  await measurePair(`${name} fine-tune`, base, next);
  await measurePair(`${name} fine-tune, bfloat16`, inHalves(base), inHalves(next));
}
const heavy = rows.filter(({ pair }) => pair === 'heavy fine-tune');
const bytesOf = (way: string): number => heavy.find((each) => each.way === way)?.bytes as number;
printBench({
  bench: 'lossy',
  seconds: (performance.now() - start) / 1000,
  rows,
  goals: [
    { id: 'lossy.heavy.of-exact', value: bytesOf('5 %') / bytesOf('exact'), goal: GOAL, better: 'lower' },
  ],
});

async function measurePair(pair: string, from: Model, to: Model): Promise<void> {
  const exact = await diffModels(from, to);
  await addRow({ pair, way: 'exact', model: to, bytes: exact.payload.length, error: 0 });
  for (const asked of ERRORS) {
    const { payload, error } = await fitModels(from, to, { error: asked });
    const model = patchModel(from, (await decodePayload(payload, from.tensors)).diff);
    await addRow({ pair, way: `${100 * asked} %`, model, bytes: payload.length, error });
  }
}

async function addRow({ model, bytes, ...facts }: Measured): Promise<void> {
  const accuracy = await accuracyOf({ task, arrays }, weightsOfModel(model, trainable));
  rows.push({ ...facts, bytes, share: bytes / totalBytes(model.tensors), accuracy });
}
