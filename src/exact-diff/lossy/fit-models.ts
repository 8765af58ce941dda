import { equalBytes } from '../../model/bytes.js';
import type { Progress } from '../../model/progress.js';
import { checkModel, type Model, type Tensor } from '../../model/tensor.js';
import { decodePayload } from '../../payload/decode.js';
import { type Meta, type Op, tensorsOf } from '../../payload/diff.js';
import { type Budget, packDiff, readBudget } from '../../payload/encode.js';
import { checkSameTensors } from '../compare-stores.js';
import { diffModels } from '../diff-stores.js';
import { type FitJob, type FittedOps, fitBudget, fitError } from './fit-ops.js';
import type { Part } from './fit-tensor.js';
import { type Residual, relativeError, residualOf } from './tensor-pair.js';

/** Options of `fitModels`: one of two goals, and what both take. */
export type FitOptions = (
  | {
      /** Largest relative error of each tensor's change: above 0, below 1. */
      readonly error: number;
      readonly budget?: undefined;
    }
  | {
      /** Largest size of the payload file. */
      readonly budget: Budget;
      readonly error?: undefined;
    }
) & {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress<'fit'>) => void) | undefined;
  /** Metadata of the payload; empty by default. */
  readonly meta?: Meta | undefined;
};

/** A lossy diff of two models. */
export interface LossyDiff {
  readonly payload: Uint8Array;
  /**
   * Fingerprints, as hexadecimal strings: of the base, and of the patched model (which is not the next
   * model).
   */
  readonly base: string;
  readonly next: string;
  /**
   * Relative error over all floating-point tensors: root mean square of the residual over that of the change.
   */
  readonly error: number;
  /** The largest error of a tensor. */
  readonly worstError: number;
  /** Whether the patched model equals the next model bit for bit after all. */
  readonly isExact: boolean;
  /** Size of the payload file, and of a lossless one, in bytes. */
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
 * Diffs two models lossily: the payload turns the first model into one close to the second.
 *
 * Changes are quantised to multiples of a step that is chosen per tensor. Errors are measured on the decoded
 * payload applied to the base, in the arithmetic of the devices. Integer tensors and non-finite elements are
 * reproduced bit for bit. No data is needed; how an error affects the model's outputs is for the caller to
 * measure. Both models, and three times as much again, are held in memory.
 *
 * @param base the model on the devices
 * @param next the model they should have: tensors of the same names, dtypes and shapes, in any order
 * @param options either `error`, a bound for each tensor, or `budget`, within which the smallest error found
 *   is used
 * @throws RangeError for options out of range; NeuralDiffError `wrong-layout` if the tensors differ,
 *   `budget-impossible`, `limit-exceeded` if the payload would exceed a limit of the format; the signal's
 *   reason
 *
 * @example
 * const base = await copyModel(await openModel('models/v1'));
 * const next = await copyModel(await openModel('models/v2'));
 * const { payload, error } = await fitModels(base, next, { error: 0.05 });
 * console.log(payload.length, error);
 */
export async function fitModels(base: Model, next: Model, options: FitOptions): Promise<LossyDiff> {
  checkSameTensors(checkModel(base).tensors, checkModel(next).tensors);
  const { meta = {}, signal, onProgress } = options;
  const { ops: fitted, parts } = await fitGoal({ base, next, meta, signal, onProgress }, options);
  const exact = await diffModels(base, next, meta);
  const lossy = await packDiff(base, { ops: fitted }, meta);
  const budget = options.budget === undefined ? 0 : readBudget(options.budget, base.tensors);
  const isLossless = exact.payload.length <= Math.max(budget, lossy.payload.length);
  const { payload, base: from, next: to } = isLossless ? exact : lossy;
  const patched = byName(isLossless ? next : lossy.model);
  const { ops } = (await decodePayload(payload, base.tensors)).diff;
  const residuals = parts.map((part) => residualIn(part, patched));
  const kinds = kindsByTensor(ops);
  const perTensor = parts.map(({ name }, i): TensorError => {
    return { tensor: name, kinds: kinds.get(name) ?? [], error: relativeError(residuals[i] as Residual) };
  });
  return {
    payload,
    base: from,
    next: to,
    error: relativeError(sumOf(residuals)),
    worstError: Math.max(0, ...perTensor.map(({ error }) => error)),
    isExact: next.tensors.every(({ name, bytes }) => equalBytes(bytes, (patched.get(name) as Tensor).bytes)),
    payloadBytes: payload.length,
    exactBytes: exact.payload.length,
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

/** Integers are exact and do not count. */
function residualIn({ name, pair }: Part, patched: ReadonlyMap<string, Tensor>): Residual {
  return pair ? residualOf(pair, patched.get(name) as Tensor) : { left: 0, change: 0 };
}

function sumOf(residuals: readonly Residual[]): Residual {
  const sum = (pick: (each: Residual) => number): number =>
    residuals.reduce((total, each) => total + pick(each), 0);
  return { left: sum(({ left }) => left), change: sum(({ change }) => change) };
}
