// Diffs for devices that store a model in fewer bits: trained on the device's grid, and rounded to it
// afterwards.

import { parentPort, workerData } from 'node:worker_threads';
import type { Values } from '../../src/train/part.js';
import { type BaseWeights, takeBase, weightsOfModel } from '../../src/train/session.js';
import type { TrainedDiff } from '../../src/train/train-diff.js';
import { type Full, fullFineTune } from '../common/full-fine-tune.js';
import { accuracyOf, arraysOf, type Prepared, prepare, type Unit } from '../common/prepare.js';
import { TRAINERS } from '../common/trainers.js';
import type { UnitMessage } from '../common/units.js';
import { findTask } from '../tasks/index.js';
import type { Stage } from '../tasks/task.js';
import { STORED_AS, type StoredAs } from './devices.js';
import { FULL, type GridPoint, type GridResult } from './result.js';

/** Share of the float32 model that a payload may take. */
const BUDGET = '0.5%';

type Kind = keyof typeof TRAINERS;

const unit = workerData as Unit;
const say = (message: UnitMessage<GridResult>): void => parentPort?.postMessage(message);

/** What the measurements share. */
interface Setting extends Prepared, Full {
  readonly arrays: ReturnType<typeof arraysOf>;
  readonly base: BaseWeights;
  /** Diffs that know nothing of the device. */
  readonly plain: ReadonlyMap<Kind, TrainedDiff>;
}

async function run(): Promise<GridResult> {
  const prepared = await prepare(findTask(unit.task), unit);
  const { data, task } = prepared;
  const arrays = arraysOf(data.stages[1] as Stage, data.classes);
  const tuned = await fullFineTune(prepared, arrays, unit);
  const plain = new Map<Kind, TrainedDiff>();
  const setting = { ...prepared, ...tuned, arrays, base: await takeBase(task), plain };
  for (const kind of Object.keys(TRAINERS) as Kind[]) plain.set(kind, await train(setting, kind));
  const points: GridPoint[] = [];
  for (const storedAs of STORED_AS) points.push(...(await measureDevice(setting, storedAs)));
  return { ...unit, points };
}

function train({ task, arrays, full, data }: Setting, kind: Kind, device?: Parameters<StoredAs['round']>[1]) {
  return TRAINERS[kind]({
    task,
    train: arrays.train,
    validation: arrays.test,
    fullFineTune: full,
    device,
    budget: BUDGET,
    epochs: data.diffEpochs,
    batchSize: data.fineTuning.batchSize,
    seed: unit.seed,
  });
}

async function measureDevice(setting: Setting, storedAs: StoredAs): Promise<GridPoint[]> {
  const { base, full, plain } = setting;
  const device = storedAs.store(base.model);
  const names = new Set(base.trainable.keys());
  const stored = weightsOfModel(device, names, device.quantization);
  const tell = (method: string, bytes: number | null, accuracy: number): GridPoint => {
    const text = `${unit.task}, seed ${unit.seed}: ${storedAs.name}, ${method}: ${accuracy.toFixed(4)}`;
    say({ type: 'progress', text });
    return { device: storedAs.name, method, bytes, accuracy };
  };
  const rounded = (weights: Values): Promise<number> => accuracyOf(setting, storedAs.round(weights, device));
  const points = [
    tell('base', null, await accuracyOf(setting, stored)),
    tell(FULL, null, await rounded(full.weights)),
  ];
  for (const [kind, diff] of plain) {
    const weights = weightsOfModel(diff.model, names);
    points.push(tell(`${kind}, rounded`, diff.payload.length, await rounded(weights)));
    const { payload, metrics } = await train(setting, kind, device);
    points.push(tell(`${kind}, trained on the grid`, payload.length, metrics.diff.accuracy as number));
  }
  return points;
}

say({ type: 'result', result: await run() });
