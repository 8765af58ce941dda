import { equalBytes } from '../../model/bytes.js';
import type { Progress } from '../../model/progress.js';
import { checkModel, type Model, type Tensor } from '../../model/tensor.js';
import { type Meta, type Op, tensorsOf } from '../../payload/diff.js';
import { type Budget, packDiff, readBudget } from '../../payload/encode.js';
import { checkSameTensors } from '../compare-stores.js';
import { type FitJob, type FittedOps, fitBudget, fitError } from './fit-ops.js';
import type { Part } from './fit-tensor.js';
import { type Residual, relativeError, residualOf } from './tensor-pair.js';

/** What `fitModels` takes beside the models. */
export type FitOptions = (
  | {
      /** Most that is left of each tensor's change, as a share of it: above 0, below 1. */
      readonly error: number;
      readonly budget?: undefined;
    }
  | {
      /** Most bytes of the payload file. */
      readonly budget: Budget;
      readonly error?: undefined;
    }
) & {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress<'fit'>) => void) | undefined;
  /** None unless given. */
  readonly meta?: Meta | undefined;
};

/** A lossy diff of two models. */
export interface LossyDiff {
  readonly payload: Uint8Array;
  /** Fingerprints in hexadecimal digits: of the base, and of what the payload makes of it, which is not the next model. */
  readonly base: string;
  readonly next: string;
  /** Over all tensors of floats: root mean square of what is left of the change, over that of the change. */
  readonly error: number;
  /** The largest error of a tensor. */
  readonly worstError: number;
  /** Whether the payload gives the next model bit for bit after all. */
  readonly isExact: boolean;
  /** Bytes of the payload file, and of the one that would give the next model bit for bit. */
  readonly payloadBytes: number;
  readonly exactBytes: number;
  /** Tensors that differ, in canonical order. */
  readonly perTensor: readonly {
    readonly tensor: string;
    /** Kinds of its ops, in order; none for a tensor that stays as it is. */
    readonly kinds: readonly Op['kind'][];
    /** Root mean square of what is left of the change, over that of the change. */
    readonly error: number;
  }[];
}

/** What a payload makes of one tensor that differs. */
export type TensorError = LossyDiff['perTensor'][number];

/**
 * Packs the difference of two models with a loss: a payload that makes of the first a model near the second. Changes are
 * rounded to whole steps, a step for each tensor, and the errors are those of what the decoded payload makes of the base, by the
 * arithmetic of devices. Tensors of integers and elements that are no finite numbers become those of the next model bit for bit.
 * No data is asked for: what an error does to the model's outputs is for the caller to measure. Both models, and three times as
 * much again, are held in memory.
 *
 * @param base the model on the devices
 * @param next the model that they should have: tensors of the same names, dtypes and shapes, in any order
 * @param options either `error`, a bound for each tensor, or `budget`, within which the error is the smallest found
 * @throws RangeError for options that are out of range; NeuralDiffError `wrong-layout` where the tensors disagree,
 *   `budget-impossible`, `limit-exceeded` for more than payloads may have; the signal's reason
 *
 * @example
 * const { payload, error } = await fitModels(base, next, { error: 0.05 });
 */
export async function fitModels(base: Model, next: Model, options: FitOptions): Promise<LossyDiff> {
  checkSameTensors(checkModel(base).tensors, checkModel(next).tensors);
  const { meta = {}, signal, onProgress } = options;
  const { ops, parts, exactBytes } = await fitGoal({ base, next, meta, signal, onProgress }, options);
  const { model, payload, ...fingerprints } = await packDiff(base, { ops }, meta);
  const patched = byName(model);
  const residuals = parts.map((part) => residualIn(part, patched));
  const kinds = kindsByTensor(ops);
  const perTensor = parts.map(({ name }, i): TensorError => {
    return { tensor: name, kinds: kinds.get(name) ?? [], error: relativeError(residuals[i] as Residual) };
  });
  return {
    payload,
    ...fingerprints,
    error: relativeError(sumOf(residuals)),
    worstError: Math.max(0, ...perTensor.map(({ error }) => error)),
    isExact: next.tensors.every(({ name, bytes }) => equalBytes(bytes, (patched.get(name) as Tensor).bytes)),
    payloadBytes: payload.length,
    exactBytes,
    perTensor,
  };
}

function fitGoal(job: FitJob, { error, budget }: FitOptions): Promise<FittedOps> {
  if ((error === undefined) === (budget === undefined))
    throw new RangeError('Cannot fit models: expected either an error or a budget');
  if (error === undefined) return fitBudget(job, readBudget(budget as Budget, job.base.tensors));
  if (error > 0 && error < 1) return fitError(job, error);
  throw new RangeError(
    `Cannot fit models: expected an error above 0 % and below 100 %, got ${100 * error} %`,
  );
}

function byName({ tensors }: Model): Map<string, Tensor> {
  return new Map(tensors.map((tensor) => [tensor.name, tensor]));
}

function kindsByTensor(ops: readonly Op[]): Map<string, Op['kind'][]> {
  const kinds = new Map<string, Op['kind'][]>();
  for (const op of ops)
    for (const name of tensorsOf(op)) kinds.set(name, [...(kinds.get(name) ?? []), op.kind]);
  return kinds;
}

/** Of integers nothing is left, and they do not count. */
function residualIn({ name, pair }: Part, patched: ReadonlyMap<string, Tensor>): Residual {
  return pair ? residualOf(pair, patched.get(name) as Tensor) : { left: 0, change: 0 };
}

function sumOf(remains: readonly Residual[]): Residual {
  const sum = (pick: (each: Residual) => number): number =>
    remains.reduce((total, each) => total + pick(each), 0);
  return { left: sum(({ left }) => left), change: sum(({ change }) => change) };
}
