import { NeuralDiffError } from '../../../model/errors.js';
import { bytesOnGrid, type GridName, gridsFor, isStorable } from '../../../model/grids.js';
import type { Progress } from '../../../model/progress.js';
import { byteLength, type Tensor, type TensorInfo } from '../../../model/tensor.js';
import type { Values } from '../../../train/part.js';
import { roundToGrid } from '../../../train/store-on-grid.js';
import { keepsContract, type PrecisionTotal, type Standing } from '../../precision.js';
import { countWithin, type GridOption, gridsAfter, rankMoves, type TensorOptions } from './rank-moves.js';

/** A model that can be measured with other weights. */
export interface PrecisionProbe {
  /** All tensors, as stored. */
  readonly tensors: readonly TensorInfo[];
  /** Those that may be rounded: float32, with the weights that the model runs with. */
  readonly floats: ReadonlyMap<string, Tensor>;
  /**
   * Runs the model on all examples.
   *
   * @param rounded weights in place of the model's own
   * @returns undefined if the outputs are unusable, as after an overflow
   */
  measure(rounded: Values): Promise<Standing | undefined>;
}

/** The contract, and how to follow the work. */
export interface PrecisionOptions {
  /** Largest accepted gap to the model as it is, of accuracy and of the right class's probability: 0 to 1. */
  readonly maxGap: number;
  readonly signal?: AbortSignal | undefined;
  /** Called before each run over the examples; the total is an upper bound. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** A grid for each tensor; tensors without one stay as they are. */
export type Grids = ReadonlyMap<string, GridName>;

/** What was chosen, and what it was compared with. */
export interface PrecisionChoice {
  readonly tensors: readonly TensorOptions[];
  readonly totals: readonly (PrecisionTotal & { readonly grids: Grids })[];
  readonly runs: number;
}

/**
 * Finds the coarsest grid for each tensor so that all of them together keep a contract of accuracy.
 *
 * 1. Each tensor is rounded alone to each grid, and the loss is measured.
 * 2. Steps to coarser grids are ordered by saved bytes for each added loss (`rankMoves`).
 * 3. Bisection over that order finds how many keep the contract, measured together (`countWithin`).
 * 4. The smallest model that was measured to keep it is advised: that one, or a grid for everything.
 *
 * The same probe always leads to the same choice, and a looser contract never to more bytes.
 *
 * @throws RangeError for a contract that is no share
 * @throws NeuralDiffError `unsupported-model` without float32 tensors; `bad-data` if the model's own outputs
 *   are unusable; the signal's reason; errors of the probe
 */
export async function choosePrecision(
  probe: PrecisionProbe,
  options: PrecisionOptions,
): Promise<PrecisionChoice> {
  checkProbe(probe, options);
  const session = new Session(probe, options);
  const whole = await session.run('running the model as it is', new Map());
  if (whole === undefined)
    throw new NeuralDiffError(
      'bad-data',
      'Cannot choose grids: the outputs of the model itself are unusable',
    );
  const tensors = await measureAlone(session, whole.loss);
  const asIs = totalOf(session, { way: 'as-is', grids: new Map(), measured: whole });
  const uniform: MeasuredTotal[] = [];
  for (const way of ['float16', 'bfloat16', 'int8'] as const) {
    const grids = uniformGrids(probe, way === 'int8' ? 'int8-channels' : way);
    const measured = await session.run(`running it in ${way}`, grids);
    uniform.push(totalOf(session, { way, grids, measured }));
  }
  const storable = tensors.map((each) => ({
    ...each,
    options: each.options.filter(({ grid }) => isStorable(grid)),
  }));
  const mixed = await chooseMixed(session, { way: 'mixed', tensors: storable, others: [asIs, ...uniform] });
  const others = [asIs, ...uniform, mixed];
  const coarser = await chooseMixed(session, { way: 'mixed-int4', tensors, others });
  session.finish();
  return { tensors, totals: [...others, coarser], runs: session.runs };
}

function checkProbe({ floats }: PrecisionProbe, { maxGap }: PrecisionOptions): void {
  if (!(maxGap >= 0 && maxGap <= 1))
    throw new RangeError(`Cannot choose grids: expected a gap from 0 to 1, got ${maxGap}`);
  if (floats.size > 0) return;
  const why = 'expected tensors in float32, got none';
  const instead = 'choose for the model before it was stored in fewer bits';
  throw new NeuralDiffError('unsupported-model', `Cannot choose grids: ${why}; ${instead}`);
}

type MeasuredTotal = PrecisionChoice['totals'][number];

/** Runs over the examples, counted and followed. */
class Session {
  readonly probe: PrecisionProbe;
  readonly options: PrecisionOptions;
  readonly #most: number;
  runs = 0;

  constructor(probe: PrecisionProbe, options: PrecisionOptions) {
    this.probe = probe;
    this.options = options;
    const alone = [...probe.floats.values()].reduce((sum, info) => sum + gridsFor(info).length, 0);
    this.#most = 4 + alone + 2 * Math.ceil(Math.log2(1 + alone));
  }

  /** @throws the signal's reason */
  async run(phase: string, grids: Grids): Promise<Standing | undefined> {
    this.#report(phase, this.#most);
    const rounded = new Map<string, Float32Array>();
    for (const [name, grid] of grids) rounded.set(name, roundToGrid(this.#float(name), grid));
    const found = await this.probe.measure(rounded);
    this.runs++;
    this.options.signal?.throwIfAborted();
    return found;
  }

  finish(): void {
    this.#report('done', this.runs);
  }

  #report(phase: string, total: number): void {
    this.options.signal?.throwIfAborted();
    this.options.onProgress?.({ phase, done: this.runs, total });
    this.options.signal?.throwIfAborted();
  }

  #float(name: string): Tensor {
    return this.probe.floats.get(name) as Tensor;
  }
}

async function measureAlone(session: Session, loss: number): Promise<TensorOptions[]> {
  const measured: TensorOptions[] = [];
  for (const info of session.probe.tensors) {
    const { name: tensor } = info;
    const grids = session.probe.floats.has(tensor) ? gridsFor(info) : [];
    const options: GridOption[] = [];
    for (const grid of grids) {
      const found = await session.run(`rounding ${tensor} to ${grid}`, new Map([[tensor, grid]]));
      const change = found && { lossChange: found.loss - loss };
      options.push({ grid, bytes: bytesOnGrid(info, grid), ...change });
    }
    measured.push({ tensor, bytes: byteLength(info), options });
  }
  return measured;
}

/** @returns one grid for all tensors that have it */
function uniformGrids({ floats }: PrecisionProbe, grid: GridName): Map<string, GridName> {
  const fitting = [...floats.values()].filter((info) => gridsFor(info).includes(grid));
  return new Map(fitting.map(({ name }) => [name, grid]));
}

/** Of what is chosen, and what may be smaller. */
interface MixedJob {
  readonly way: PrecisionTotal['way'];
  readonly tensors: readonly TensorOptions[];
  readonly others: readonly MeasuredTotal[];
}

async function chooseMixed(session: Session, { way, tensors, others }: MixedJob): Promise<MeasuredTotal> {
  const moves = rankMoves(tensors);
  const tried: MeasuredTotal[] = [];
  await countWithin(moves.length, async (count) => {
    const grids = gridsAfter(moves.slice(0, count));
    const measured = await session.run(`running it with ${count} of ${moves.length} steps`, grids);
    const total = totalOf(session, { way, grids, measured });
    tried.push(total);
    return total.isMet;
  });
  const met = [...others, ...tried].filter(({ isMet }) => isMet);
  const best = met.reduce((least, each) => (each.bytes < least.bytes ? each : least));
  return { ...best, way };
}

function totalOf(
  { probe, options }: Session,
  { way, grids, measured }: Pick<MeasuredTotal, 'way' | 'grids'> & { measured: Standing | undefined },
): MeasuredTotal {
  const sizes = probe.tensors.map((info) => {
    const grid = grids.get(info.name);
    return grid === undefined ? byteLength(info) : bytesOnGrid(info, grid);
  });
  return {
    way,
    grids,
    bytes: sizes.reduce((sum, bytes) => sum + bytes, 0),
    ...(measured && { measured }),
    isMet: measured !== undefined && keepsContract(measured, options.maxGap),
    isStorable: [...grids.values()].every(isStorable),
  };
}
