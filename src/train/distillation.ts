import * as tf from '@tensorflow/tfjs';
import { assignValues } from '../tfjs/weights.js';
import { type ArrayData, type Batch, type Data, exampleCount, isArrayData, listTensors } from './data.js';
import { logOf } from './losses.js';
import { valuesOf } from './part.js';
import type { OutputKind } from './predictor.js';
import type { ValueSource } from './session.js';
import type { Task } from './task.js';

/** How a student learns from its teacher. */
export interface DistillationOptions {
  /** Share of the loss that compares with the teacher's outputs: 0 to 1; default 0.7. */
  readonly weight?: number;
  /** Divides the logits of both models; default 2. */
  readonly temperature?: number;
  /**
   * Full fine-tunes whose mean outputs are learnt from: 1 to 8; default 1. Others than the first start from
   * other seeds, and take its learning rate and epochs.
   */
  readonly teachers?: number;
}

/** Provides the teacher's outputs for a batch. */
export interface Teacher {
  outputs(batch: Batch): tf.Tensor[];
  dispose(): void;
}

/** Batch size for running a teacher over an array set. */
const TEACHER_BATCH = 256;

/**
 * Creates a teacher from the task's own model with other weights. For an array set, all outputs are computed
 * in advance; for a dataset, batch by batch with a second forward pass.
 *
 * @param task the task; its variables are restored
 * @param weights the teacher's weights
 * @param data the training set
 */
export function createTeacher(task: Task, weights: ValueSource, data: Data): Teacher {
  if (!isArrayData(data)) return liveTeacher(task, weights);
  const outputs = withWeights(task, weights, () => outputsOfAll(task, data));
  return {
    outputs: (batch) => outputs.map((output) => tf.gather(output, batch.indexes as tf.Tensor1D)),
    dispose: () => tf.dispose(outputs),
  };
}

/** @returns a teacher with the mean outputs of others, which it owns */
export function meanTeacher(teachers: readonly Teacher[]): Teacher {
  const [first] = teachers;
  if (first !== undefined && teachers.length === 1) return first;
  return {
    outputs: (batch) =>
      tf.tidy(() => {
        const all = teachers.map((teacher) => teacher.outputs(batch));
        const sums = (all[0] ?? []).map((_, i) => tf.addN(all.map((outputs) => outputs[i] as tf.Tensor)));
        return sums.map((sum) => tf.div(sum, all.length));
      }),
    dispose() {
      for (const teacher of teachers) teacher.dispose();
    },
  };
}

function outputsOfAll(task: Task, data: ArrayData): tf.Tensor[] {
  const xs = listTensors(data.xs, task.inputNames);
  const count = exampleCount(data, task);
  return tf.tidy(() => {
    const pieces: tf.Tensor[][] = [];
    for (let start = 0; start < count; start += TEACHER_BATCH) {
      const size = Math.min(TEACHER_BATCH, count - start);
      pieces.push(tf.tidy(() => task.outputs(xs.map((x) => tf.slice(x, start, size)))));
    }
    return task.outputNames.map((_, i) => tf.concat(pieces.map((piece) => piece[i] as tf.Tensor)));
  });
}

function liveTeacher(task: Task, weights: ValueSource): Teacher {
  return {
    outputs: (batch) => withWeights(task, weights, () => task.outputs(batch.xs)),
    dispose() {},
  };
}

/** Runs a function with other weights in the task's variables, then restores the current ones. */
function withWeights<T>(task: Task, weights: ValueSource, run: () => T): T {
  const changed = task.weights.filter((weight) => weights.has(weight.name));
  const present = changed.map((weight) => tf.keep(weight.variable.clone()));
  for (const { name, variable } of changed) assignValues(variable, valuesOf(weights, name));
  try {
    return run();
  } finally {
    changed.forEach(({ variable }, i) => {
      variable.assign(present[i] as tf.Tensor);
    });
    tf.dispose(present);
  }
}

/**
 * Compares a student's outputs with its teacher's.
 *
 * Source: G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015. The
 * logarithms of probabilities are used as logits; plain values are compared by their mean squared difference.
 *
 * @returns a scalar: the Kullback-Leibler divergence times the squared temperature, averaged over the batch
 */
export function distillationLoss(
  student: tf.Tensor,
  teacher: tf.Tensor,
  options: { kind: OutputKind; temperature: number },
): tf.Scalar {
  if (options.kind === 'values') return tf.losses.meanSquaredError(teacher, student) as tf.Scalar;
  const soften = (output: tf.Tensor): tf.Tensor => {
    const logits = options.kind === 'logits' ? output : logOf(output);
    return tf.logSoftmax(tf.div(logits, options.temperature));
  };
  const target = soften(teacher);
  const divergence = tf.sum(tf.mul(tf.exp(target), tf.sub(target, soften(student))), -1);
  return tf.mul(tf.mean(divergence), options.temperature ** 2);
}
