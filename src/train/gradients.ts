import * as tf from '@tensorflow/tfjs';
import type { Batch } from './data.js';
import { type DistillationOptions, distillationLoss, type Teacher } from './distillation.js';
import type { Grid } from './grid.js';
import type { LiveValues } from './part.js';
import type { Task } from './task.js';

/** What a loss consists of. */
export interface LossJob {
  readonly task: Task;
  /** Rounds to what the device stores after every part; undefined if it stores float32. */
  readonly grid?: Grid | undefined;
  readonly teacher?: Teacher | undefined;
  readonly distillation?: DistillationOptions | undefined;
}

/** The loss of a batch and its gradients. */
export interface LossGradients {
  readonly loss: tf.Scalar;
  /** By tensor, in the units of the grid. */
  readonly gradients: LiveValues;
}

/** What to differentiate. */
export interface GradientOptions {
  readonly variables: ReadonlyMap<string, tf.Variable>;
  /** Most examples of a forward and backward pass; the whole batch by default. */
  readonly microBatchSize?: number | undefined;
}

/** A batch with the teacher's outputs for it. */
interface TaughtBatch extends Batch {
  readonly targets?: tf.Tensor[] | undefined;
}

/** Loss and gradients in the order of the variables, in a form that `tf.tidy` knows. */
interface Terms {
  readonly [field: string]: tf.Tensor | tf.Tensor[];
  readonly loss: tf.Scalar;
  readonly gradients: tf.Tensor[];
}

/** Computes the loss of a batch and its gradients, in as many passes as the micro-batches need. */
export function lossGradients(job: LossJob, batch: Batch, options: GradientOptions): LossGradients {
  // Outside of `variableGrads`, as the teacher is the same model and its outputs must not be differentiated.
  const targets = job.teacher?.outputs(batch);
  const { loss, gradients } = termsOf(job, { ...batch, targets }, options);
  const names = [...options.variables.keys()];
  return { loss, gradients: new Map(names.map((name, i) => [name, gradients[i] as tf.Tensor])) };
}

function termsOf(job: LossJob, batch: TaughtBatch, options: GradientOptions): Terms {
  const count = batch.xs[0]?.shape[0] ?? 0;
  const { variables, microBatchSize = count } = options;
  if (count <= microBatchSize) return pieceTerms(job, batch, { variables, share: 1 });
  let sum: Terms | undefined;
  for (let start = 0; start < count; start += microBatchSize) {
    const size = Math.min(microBatchSize, count - start);
    const terms = tf.tidy(() =>
      pieceTerms(job, pieceOf(batch, start, size), { variables, share: size / count }),
    );
    sum = sum ? addTerms(sum, terms) : terms;
  }
  return sum as Terms;
}

function pieceOf({ xs, ys, indexes, targets }: TaughtBatch, start: number, size: number): TaughtBatch {
  const piece = <T extends tf.Tensor>(tensor: T): T => tf.slice(tensor, start, size) as T;
  return {
    xs: xs.map(piece),
    ys: ys.map(piece),
    ...(indexes && { indexes: piece(indexes) }),
    targets: targets?.map(piece),
  };
}

/** Adds up tensor by tensor, and disposes of the terms: a third copy of all gradients would be large. */
function addTerms(a: Terms, b: Terms): Terms {
  const add = <T extends tf.Tensor>(left: T, right: T): T => {
    const total = tf.add(left, right) as T;
    tf.dispose([left, right]);
    return total;
  };
  const gradients = a.gradients.map((gradient, i) => add(gradient, b.gradients[i] as tf.Tensor));
  return { loss: add(a.loss, b.loss), gradients };
}

/** @param options `share`: the part of the batch's examples that the piece has: its weight in the mean */
function pieceTerms(
  job: LossJob,
  batch: TaughtBatch,
  { variables, share }: { variables: GradientOptions['variables']; share: number },
): Terms {
  const loss = (): tf.Scalar => (share === 1 ? totalLoss(job, batch) : tf.mul(totalLoss(job, batch), share));
  const { value, grads } = tf.variableGrads(loss, [...variables.values()]);
  const gradients = Array.from(variables, ([name, variable]) => {
    const gradient = grads[variable.name] ?? tf.zerosLike(variable);
    return job.grid ? job.grid.pullBack(name, gradient) : gradient;
  });
  return { loss: value, gradients };
}

function totalLoss(job: LossJob, { targets, ...batch }: TaughtBatch): tf.Scalar {
  const outputs = job.task.outputs(batch.xs);
  const loss = job.task.loss(outputs, batch);
  if (targets === undefined) return loss;
  const { weight = 0.7, temperature = 2 }: DistillationOptions = job.distillation ?? {};
  const parts = outputs.map((output, i) =>
    distillationLoss(output, targets[i] as tf.Tensor, {
      kind: job.task.outputKinds[i] ?? 'values',
      temperature,
    }),
  );
  return tf.add(tf.mul(loss, 1 - weight), tf.mul(tf.addN(parts), weight));
}
