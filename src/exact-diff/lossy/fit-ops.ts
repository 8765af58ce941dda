import type { Progress } from '../../model/progress.js';
import { canonicalOrder, type Model, type Tensor, type TensorInfo, totalBytes } from '../../model/tensor.js';
import type { Meta, Op } from '../../payload/diff.js';
import { impossibleBudget, payloadBytes } from '../../payload/encode.js';
import { createPart, type Fit, type Part } from './fit-tensor.js';
import { numberOf, shortFloat } from './quantise.js';

/** Two models with the same tensors, and how their diff is packed. */
export interface FitJob extends WorkOptions {
  readonly base: Model;
  readonly next: Model;
  readonly meta: Meta;
}

/** Ops that meet a goal, and what they were chosen from. */
export interface FittedOps {
  readonly ops: readonly Op[];
  /** Tensors that differ, in canonical order. */
  readonly parts: readonly Part[];
  /** Bytes of the payload without loss. */
  readonly exactBytes: number;
}

/** Ops and the bytes of their payload file. */
interface SizedOps {
  readonly ops: readonly Op[];
  readonly bytes: number;
}

/** A job that is under way. */
interface Prepared {
  readonly parts: readonly Part[];
  /** What gives the next model bit for bit. */
  readonly exact: SizedOps;
  readonly work: FitYielder;
  sized(ops: readonly Op[]): SizedOps;
}

/** Numbers of the short floats that are tried as errors for a budget, from 100 % down to 0.02 %. */
const [LARGEST, SMALLEST] = [numberOf(1), numberOf(2 ** -12)];

/** Share of a budget that may be left when the search for its error ends. */
const SLACK = 0.003;

/** Most errors tried for a budget; mostly four or five are. */
const MOST_TRIES = 12;

/** Payloads in which it shows what a record costs beside its levels. */
const SMALL_BYTES = 2 ** 14;

/** @returns the shortest ops found that leave at most a share of each tensor's change */
export async function fitError(job: FitJob, error: number): Promise<FittedOps> {
  const prepared = await prepare(job, 2);
  return finish(prepared, await opsWithin(prepared, error));
}

/**
 * @returns the ops with the smallest error found, the same for each tensor, that a payload of some bytes holds
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
 * Bytes grow about evenly with the bits of a level, and so with the numbers of short floats: where a straight line between two
 * errors meets the budget is tried next.
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
    // Every third try halves what is left, so that a bent line does not take all tries.
    const down = i % 3 === 2 ? (high - low) / 2 : share * (high - low);
    const number = high - Math.min(high - low - 1, Math.max(1, Math.floor(down)));
    const tried = await opsWithin(prepared, shortFloat(number));
    if (tried.bytes <= budgetBytes) [best, high] = [tried, number];
    else [over, low] = [tried, number];
  }
  return best;
}

async function prepare({ base, next, meta, ...options }: FitJob, passes: number): Promise<Prepared> {
  const infos: readonly TensorInfo[] = canonicalOrder(base.tensors);
  const work = new FitYielder(options, passes * totalBytes(infos));
  const targets = new Map(next.tensors.map((tensor) => [tensor.name, tensor]));
  const parts: Part[] = [];
  for (const tensor of canonicalOrder(base.tensors)) {
    const part = createPart(tensor, targets.get(tensor.name) as Tensor);
    if (part) parts.push(part);
    await work.add(tensor.bytes.length);
  }
  const sized = (ops: readonly Op[]): SizedOps => ({ ops, bytes: payloadBytes(infos, ops, meta) });
  return { parts, exact: sized(parts.flatMap((part) => part.exact)), work, sized };
}

function finish({ parts, exact }: Prepared, { ops }: SizedOps): FittedOps {
  return { ops, parts, exactBytes: exact.bytes };
}

async function opsWithin({ parts, exact, work, sized }: Prepared, error: number): Promise<SizedOps> {
  const fits: Fit[] = [];
  for (const part of parts) {
    fits.push(part.fit(error));
    await work.add(part.bytes);
  }
  const first = shorter(exact, sized(inRecords(fits.flatMap(({ shortest }) => shortest))));
  if (first.bytes > SMALL_BYTES) return first;
  return shorter(first, sized(inRecords(fits.flatMap(({ usual }) => usual))));
}

function shorter(first: SizedOps, second: SizedOps): SizedOps {
  return second.bytes < first.bytes ? second : first;
}

/** Ops of a kind share a record; exact ones come last, as they mend what others leave. */
function inRecords(ops: readonly Op[]): Op[] {
  return (['sparse', 'dense', 'exact', 'set'] as const).flatMap((kind) =>
    ops.filter((op) => op.kind === kind),
  );
}

/** How to follow and to stop a fit. */
export interface WorkOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress<'fit'>) => void) | undefined;
}

/** Bytes between two moments at which others may run: a signal that a key fires among them. */
const BYTES_PER_YIELD = 2 ** 22;

/** Counts work, reports it, and stops it on request. */
export class FitYielder {
  readonly #options: WorkOptions;
  readonly #bytesTotal: number;
  #bytesDone = 0;
  #breathed = 0;

  constructor(options: WorkOptions, bytesTotal: number) {
    this.#options = options;
    this.#bytesTotal = bytesTotal;
  }

  /**
   * Call it behind each piece of work.
   *
   * @throws the signal's reason
   */
  async add(bytes: number): Promise<void> {
    this.#bytesDone += bytes;
    this.#options.onProgress?.({ phase: 'fit', done: this.#bytesDone, total: this.#bytesTotal });
    if (this.#bytesDone - this.#breathed >= BYTES_PER_YIELD) {
      this.#breathed = this.#bytesDone;
      await new Promise((resolve) => setTimeout(resolve));
    }
    this.#options.signal?.throwIfAborted();
  }
}
