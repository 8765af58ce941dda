import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';
import { applyPayload } from '../../src/apply/apply-payload.js';
import { trainHashDiff } from '../../src/hash-diff/train-hash-diff.js';
import { openModel } from '../../src/node/open-model.js';
import { trainSparseDiff } from '../../src/sparse-diff/train-sparse-diff.js';
import { fineTune } from '../../src/train/fine-tune.js';
import type { Task } from '../../src/train/task.js';
import { relativeError } from '../onnx/compare.js';
import { seededFloats } from '../support.js';

/** A published model in a folder. */
export interface Published {
  readonly folder: string;
  /** Opens the model in a folder for training by mean squared error. */
  readonly open: (folder: string) => Promise<Task>;
  /** Runs the model in a folder as devices do. @returns the elements of the task's outputs */
  readonly run: (folder: string, task: Task) => Promise<readonly ArrayLike<number>[]>;
  /** Inputs of a batch. */
  readonly xs: readonly tf.Tensor[];
}

/** Differences of the outputs in the other runtime, relative to the largest one. */
const TOLERANCE = 1e-4;

const TRAINERS = { hash: trainHashDiff, sparse: trainSparseDiff } as const;

/** Bytes of a payload, as a share of the float32 weights. */
const BUDGET = '3%';

/**
 * Checks a model: outputs and gradients; diffs of both kinds, trained for two steps and applied to its files
 * in place; and that the patched files are the ones that were measured.
 */
export async function checkPublished({ folder, open, run, xs }: Published): Promise<void> {
  const task = await open(folder);
  await expectOutputs(task, await run(folder, task), xs);
  // Once is enough: each training would begin with it.
  const { checkGradients, ...trained } = task;
  await checkGradients?.([...xs]);
  const ys = tf.tidy(() =>
    task.outputs([...xs]).map((y, i) => tf.add(y, tf.tensor(seededFloats(i + 50, y.size), y.shape))),
  );
  const batch = () => ({ xs: byName(task.inputNames, xs), ys: byName(task.outputNames, ys) });
  const data = tf.data.generator(function* () {
    yield batch();
    yield batch();
  }) as tf.data.Dataset<tf.TensorContainer>;
  const shared = { task: trained, train: data, validation: data, epochs: 1, seed: 1 };
  const fullFineTune = await fineTune({ ...shared, learningRate: 1e-4 });
  for (const [kind, train] of Object.entries(TRAINERS)) {
    const diff = await train({ ...shared, fullFineTune, budget: BUDGET });
    const copy = await mkdtemp(join(tmpdir(), 'neural-diff-published-'));
    try {
      await cp(folder, copy, { recursive: true });
      const store = await openModel(copy, { writable: true });
      const { fingerprint } = await applyPayload(store, diff.payload).finally(() => store.close());
      expect({ kind, fingerprint }).toEqual({ kind, fingerprint: diff.next });
      expect(diff.next).not.toBe(diff.base);
      const patched = await open(copy);
      expect(await patched.evaluate(data)).toEqual(diff.metrics.diff);
      const outputs = await run(copy, patched);
      await expectOutputs(patched, outputs, xs);
      const { loss } = diff.metrics.diff;
      expect({ kind, loss: lossOf(outputs, ys) }).toEqual({ kind, loss: expect.closeTo(loss as number, 4) });
      patched.dispose?.();
    } finally {
      await rm(copy, { recursive: true });
    }
  }
  task.dispose?.();
  tf.dispose(ys);
}

function byName(names: readonly string[], tensors: readonly tf.Tensor[]): Record<string, tf.Tensor> {
  return Object.fromEntries(names.map((name, i) => [name, tf.clone(tensors[i] as tf.Tensor)]));
}

async function expectOutputs(
  task: Task,
  expected: readonly ArrayLike<number>[],
  xs: readonly tf.Tensor[],
): Promise<void> {
  const found = tf.tidy(() => task.outputs([...xs]).map((y) => y.dataSync().slice()));
  for (const [i, name] of task.outputNames.entries()) {
    const error = relativeError(found[i] as Float32Array, expected[i] as Float32Array);
    expect({ name, error }).toEqual({ name, error: expect.toSatisfy((each) => each < TOLERANCE) });
  }
}

/** @returns the mean squared error, summed over the outputs */
function lossOf(outputs: readonly ArrayLike<number>[], ys: readonly tf.Tensor[]): number {
  return outputs.reduce((total, output, k) => {
    const labels = ys[k]?.dataSync() as Float32Array;
    const squares = labels.reduce((sum, label, i) => sum + (label - (output[i] as number)) ** 2, 0);
    return total + squares / labels.length;
  }, 0);
}
