import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fineTune, type StepReport } from 'neural-diff/train';
import { float32Bytes, openTask, toArrays } from '../common/task.js';
import type { KeywordData } from './data.js';
import { runDevice, runDiffJob } from './stages.js';

/** One update of a device that has taken all the ones before. Accuracies are on everything so far. */
export interface UpdateRow {
  readonly update: number;
  /** Who is added. */
  readonly speakers: string;
  /** Of the device before the update. */
  readonly before: number;
  /** Of a full fine-tune of what the device had. */
  readonly full: number;
  /** Of the model folder after the device patched it. */
  readonly after: number;
  readonly payloadBytes: number;
  readonly share: number;
  readonly bitExact: boolean;
}

/** How the device is kept up to date. */
export interface UpdatesOptions {
  /** Folder that holds the base model; models and payloads go next to it. */
  readonly folder: string;
  readonly speakers: readonly (readonly string[])[];
  readonly budget: string;
  readonly epochsFor: (phase: 'full' | 'diff', examples: number) => number;
  readonly batchSize: number;
  readonly seed: number;
  readonly onUpdate: (update: number) => void;
  readonly onStep: (report: StepReport) => void;
}

/**
 * Updates one device again and again: each update is trained from the weights that the device really has,
 * with a hash placement of its own.
 */
export async function runUpdates(data: KeywordData, options: UpdatesOptions): Promise<UpdateRow[]> {
  const device = join(options.folder, 'device');
  await cp(join(options.folder, 'base'), device, { recursive: true });
  const rows: UpdateRow[] = [];
  for (let update = 1; update < data.stages.length; update++) {
    options.onUpdate(update);
    rows.push(await runUpdate(data, { ...options, device, update }));
  }
  return rows;
}

async function runUpdate(
  data: KeywordData,
  options: UpdatesOptions & { device: string; update: number },
): Promise<UpdateRow> {
  const { device, update, budget, epochsFor, batchSize, onStep } = options;
  const stage = data.stages[update] as KeywordData['update'];
  const [classes, seed] = [data.labels.length, options.seed + update];
  const test = toArrays(stage.test, classes);
  const { model, task } = await openTask(device);
  const before = (await task.evaluate(test)).accuracy as number;
  const examples = stage.train.count;
  const full = await fineTune({
    task,
    train: toArrays(stage.train, classes),
    validation: test,
    batchSize,
    seed,
    onStep,
    epochs: epochsFor('full', examples),
  });
  const bytes = float32Bytes(task);
  model.dispose();
  const job = {
    kind: 'hash',
    base: device,
    data: stage,
    classes,
    fullFineTune: full,
    budget,
    batchSize,
    seed,
  } as const;
  const { payload, next } = await runDiffJob({ ...job, epochs: epochsFor('diff', examples) }, onStep);
  const path = join(options.folder, `update-${update}.ndiff`);
  await writeFile(path, payload);
  const { fingerprint } = await runDevice(device, path);
  const patched = await openTask(device);
  const after = (await patched.task.evaluate(test)).accuracy as number;
  patched.model.dispose();
  return {
    update,
    speakers: (options.speakers[update] ?? []).join(' '),
    before,
    after,
    full: full.metrics.accuracy as number,
    payloadBytes: payload.length,
    share: payload.length / bytes,
    bitExact: fingerprint === next,
  };
}
