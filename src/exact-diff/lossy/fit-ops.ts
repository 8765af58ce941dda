import type { Progress } from '../../model/progress.js';
import { canonicalOrder, type Model, type Tensor, type TensorInfo, totalBytes } from '../../model/tensor.js';
import { Yielder } from '../../model/yielder.js';
import type { Meta, Op } from '../../payload/diff.js';
import { impossibleBudget, payloadBytes } from '../../payload/encode.js';
import { createPart, type Fit, type Part } from './fit-tensor.js';
import { numberOf, shortFloat } from './quantise.js';

/** Two models with the same tensors, and how to pack their diff. */
export interface FitJob extends FitWorkOptions {
  readonly base: Model;
  readonly next: Model;
  readonly meta: Meta;
}

/** Ops that meet a goal, and the parts they were chosen from. */
export interface FittedOps {
  readonly ops: readonly Op[];
  /** Tensors that differ, in canonical order. */
  readonly parts: readonly Part[];
}

/** Ops and the size of their payload file in bytes. */
interface SizedOps {
  readonly ops: readonly Op[];
  readonly bytes: number;
}

/** A job whose models have been compared. */
interface Prepared {
  readonly parts: readonly Part[];
  /** Ops that reproduce the next model bit for bit. */
  readonly exact: SizedOps;
  /** Counts processed bytes, reports progress and throws the signal's reason. */
  tick(bytes: number): Promise<void>;
  sized(ops: readonly Op[]): SizedOps;
}

/** Ordinals of the short floats that are tried as errors for a budget, from 100 % down to 0.02 %. */
const [LARGEST, SMALLEST] = [numberOf(1), numberOf(2 ** -12)];

/** Share of a budget that may remain unused when the search for its error ends. */
const SLACK = 0.003;

/** Most errors tried for a budget; usually four or five are enough. */
const MOST_TRIES = 12;

/** Below this size, the fixed cost of a record matters compared with its levels. */
const SMALL_BYTES = 2 ** 14;

/** @returns the shortest ops found whose relative error is at most `error` in each tensor */
export async function fitError(job: FitJob, error: number): Promise<FittedOps> {
  const prepared = await prepare(job, 2);
  return finish(prepared, await opsWithin(prepared, error));
}

/**
 * Finds the smallest error, the same for each tensor, whose payload fits a budget.
 *
 * @throws NeuralDiffError `budget-impossible`
 */
export async function fitBudget(job: FitJob, budgetBytes: number): Promise<FittedOps> {
  const prepared = await prepare(job, 2 + MOST_TRIES);
  const { exact } = prepared;
  if (exact.bytes <= budgetBytes) return finish(prepared, exact);
  const least = await opsWithin(prepared, 1);
  if (least.bytes > budgetBytes) throw impossibleBudget(budgetBytes, least.bytes);
  return finish(prepared, await search(prepared, { fits: least, budgetBytes }));
}

/**
 * Searches errors by interpolation with occasional bisection. The payload size is about linear in the bits
 * per level, and thus in the ordinals of short floats, so each try is where a straight line between two
 * errors meets the budget.
 */
async function search(
  prepared: Prepared,
  { fits, budgetBytes }: { fits: SizedOps; budgetBytes: number },
): Promise<SizedOps> {
  let best = fits;
  let over = prepared.exact;
  let [low, high] = [SMALLEST - 1, LARGEST];
  for (let i = 0; i < MOST_TRIES && high - low > 1; i++) {
    if (best.bytes >= (1 - SLACK) * budgetBytes) break;
    const share = (budgetBytes - best.bytes) / (over.bytes - best.bytes);
    // Every third try bisects, so that a curved relation cannot use up all tries.
    const down = i % 3 === 2 ? (high - low) / 2 : share * (high - low);
    const number = high - Math.min(high - low - 1, Math.max(1, Math.floor(down)));
    const tried = await opsWithin(prepared, shortFloat(number));
    if (tried.bytes <= budgetBytes) [best, high] = [tried, number];
    else [over, low] = [tried, number];
  }
  return best;
}

async function prepare(job: FitJob, passes: number): Promise<Prepared> {
  const { base, next, meta } = job;
  const infos: readonly TensorInfo[] = canonicalOrder(base.tensors);
  const tick = createTick(job, passes * totalBytes(infos));
  const targets = new Map(next.tensors.map((tensor) => [tensor.name, tensor]));
  const parts: Part[] = [];
  for (const tensor of canonicalOrder(base.tensors)) {
    const part = createPart(tensor, targets.get(tensor.name) as Tensor);
    if (part) parts.push(part);
    await tick(tensor.bytes.length);
  }
  const sized = (ops: readonly Op[]): SizedOps => ({ ops, bytes: payloadBytes(infos, ops, { meta }) });
  return { parts, exact: sized(parts.flatMap((part) => part.exact)), tick, sized };
}

function createTick({ signal, onProgress }: FitWorkOptions, total: number): Prepared['tick'] {
  const yielder = new Yielder(signal);
  let done = 0;
  return async (bytes) => {
    done += bytes;
    onProgress?.({ phase: 'fit', done, total });
    await yielder.tick();
  };
}

function finish({ parts }: Prepared, { ops }: SizedOps): FittedOps {
  return { ops, parts };
}

async function opsWithin({ parts, exact, tick, sized }: Prepared, error: number): Promise<SizedOps> {
  const fits: Fit[] = [];
  for (const part of parts) {
    fits.push(part.fit(error));
    await tick(part.bytes);
  }
  const first = shorter(exact, sized(inRecords(fits.flatMap(({ shortest }) => shortest))));
  if (first.bytes > SMALL_BYTES) return first;
  return shorter(first, sized(inRecords(fits.flatMap(({ usual }) => usual))));
}

function shorter(first: SizedOps, second: SizedOps): SizedOps {
  return second.bytes < first.bytes ? second : first;
}

/**
 * Groups ops by kind, as those of a kind share a record; exact ones come last, as they correct the others.
 */
function inRecords(ops: readonly Op[]): Op[] {
  return (['sparse', 'dense', 'exact', 'set'] as const).flatMap((kind) =>
    ops.filter((op) => op.kind === kind),
  );
}

/** How to report progress and cancel a fit. */
export interface FitWorkOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress<'fit'>) => void) | undefined;
}
