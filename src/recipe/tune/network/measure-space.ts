import { NeuralDiffError } from '../../../model/errors.js';
import { createRandom } from '../../../train/random.js';
import { type Configuration, defaultOf, keyOf, listAll, type Space, sample } from '../space.js';
import { createNetwork } from './create-network.js';
import { Latency } from './latency.js';
import type { NetworkCost } from './layer-costs.js';
import type { NetworkSearch, SearchSetup } from './search.js';
import { comparePredicted, type Prediction, timeModels } from './time-models.js';
import { type MeasuredTimes, SearchTimes } from './times.js';

/** What a network must keep to. */
export interface NetworkLimits {
  /** Longest time of inference of one example, in milliseconds. */
  readonly maxInferMs?: number | undefined;
  /** The same as a share of what the reference takes. */
  readonly maxInferShare?: number | undefined;
  /** Most bytes of the weights, as float32. */
  readonly maxBytes?: number | undefined;
  /** Most memory of inference of one example: weights, inputs and outputs of the largest layer. */
  readonly maxMemoryBytes?: number | undefined;
}

/** What a search keeps of its times. */
export interface KeptTimes {
  /** Times that an earlier run measured. */
  readonly times: MeasuredTimes | undefined;
  keepTimes(times: MeasuredTimes): Promise<void>;
}

/** Configurations that are looked at. */
const POOL = 320;

/** Networks that are measured as a whole, to compare them with sums over the table. */
const CHECKED = 20;

/**
 * Measures layers and some networks, and finds the configurations that are within the limits.
 *
 * @param kept by default nothing is kept
 * @throws NeuralDiffError `budget-impossible` if there is none; `unsupported-model`
 */
export async function measureSpace(
  setup: SearchSetup,
  limits: NetworkLimits,
  kept?: KeptTimes,
): Promise<Pick<NetworkSearch, 'latency' | 'isSmall' | 'pool' | 'limit' | 'times'>> {
  const pool = poolOf(setup.space, setup.training.seed);
  const latency = new Latency(setup.use, kept?.times);
  await latency.measure(pool);
  const times = await timesOf(setup, { latency, pool, kept });
  const limit = limits.maxInferMs ?? (limits.maxInferShare as number) * times.referenceMs;
  const { maxBytes = Infinity, maxMemoryBytes = Infinity } = limits;
  const isSmall = ({ weights, memoryBytes }: NetworkCost): boolean =>
    4 * weights <= maxBytes && memoryBytes <= maxMemoryBytes;
  const costs = pool.map((each) => latency.costOf(each));
  const isFast = ({ milliseconds }: NetworkCost): boolean => milliseconds <= limit;
  if (!costs.some(isFast)) throw tooSlow(limit, costs);
  const within = pool.filter((_, i) => isFast(costs[i] as NetworkCost) && isSmall(costs[i] as NetworkCost));
  if (within.length === 0) throw tooLarge({ maxBytes, maxMemoryBytes }, costs);
  return { latency, isSmall, pool: within, limit, times };
}

async function timesOf(
  setup: SearchSetup,
  { latency, pool, kept }: Pick<NetworkSearch, 'latency' | 'pool'> & { kept: KeptTimes | undefined },
): Promise<SearchTimes> {
  const write = async (times: MeasuredTimes): Promise<void> => kept?.keepTimes(times);
  const known = kept?.times;
  const checked = known ?? { ...(await checkTable(setup, latency, pool)), shares: {} };
  const times = new SearchTimes({ ...checked, scale: latency.scale }, { table: latency.table, write });
  await times.keep();
  return times;
}

/** @returns distinct configurations: all there are, or random ones */
function poolOf(space: Space, seed: number): Configuration[] {
  const all = listAll(space, POOL);
  if (all) return all;
  const random = createRandom((seed + 17) >>> 0);
  const drawn = Array.from({ length: POOL }, () => sample(space, random));
  return [...new Map([defaultOf(space), ...drawn].map((each) => [keyOf(each), each])).values()];
}

/**
 * Measures some networks as a whole, in turns with the reference. Predictions are calibrated on half of them
 * and checked on the other half.
 */
async function checkTable(
  { use, reference }: SearchSetup,
  latency: Latency,
  pool: readonly Configuration[],
): Promise<{ referenceMs: number; prediction: Prediction }> {
  const checked = spreadOver(pool, (each) => latency.costOf(each).milliseconds);
  const models = checked.map((each) => createNetwork(use, each, { seed: 0 }).model);
  try {
    const { milliseconds, shares } = await timeModels([reference, ...models]);
    const referenceMs = milliseconds[0] as number;
    const measured = checked.map((configuration, i) => {
      return { configuration, milliseconds: (shares[i + 1] as number) * referenceMs };
    });
    latency.calibrate(measured.filter((_, i) => i % 2 === 0));
    const rest = measured.filter((_, i) => i % 2 === 1 || measured.length < 4);
    const predicted = rest.map(({ configuration }) => latency.costOf(configuration).milliseconds);
    const prediction = comparePredicted(
      predicted,
      rest.map((each) => each.milliseconds),
    );
    return { referenceMs, prediction };
  } finally {
    for (const model of models) model.dispose();
  }
}

/** @returns some configurations from the least to the most of a cost */
function spreadOver(
  pool: readonly Configuration[],
  costOf: (configuration: Configuration) => number,
): Configuration[] {
  const sorted = [...pool].sort((a, b) => costOf(a) - costOf(b));
  const count = Math.min(CHECKED, sorted.length);
  const step = (sorted.length - 1) / Math.max(1, count - 1);
  return Array.from({ length: count }, (_, i) => sorted[Math.round(i * step)] as Configuration);
}

function tooSlow(limit: number, costs: readonly NetworkCost[]): NeuralDiffError {
  const least = Math.min(...costs.map(({ milliseconds }) => milliseconds));
  const message = `Cannot find a network: expected inference within ${limit.toPrecision(3)} ms, the fastest of ${costs.length} networks takes about ${least.toPrecision(3)} ms`;
  return new NeuralDiffError('budget-impossible', message, { facts: { limit, least } });
}

function tooLarge(
  { maxBytes, maxMemoryBytes }: { readonly maxBytes: number; readonly maxMemoryBytes: number },
  costs: readonly NetworkCost[],
): NeuralDiffError {
  const bytes = Math.min(...costs.map(({ weights }) => 4 * weights));
  const memoryBytes = Math.min(...costs.map((cost) => cost.memoryBytes));
  const limits = [
    ...(maxBytes < Infinity ? [`at most ${maxBytes} bytes`] : []),
    ...(maxMemoryBytes < Infinity ? [`at most ${maxMemoryBytes} bytes of memory`] : []),
  ];
  const message = `Cannot find a network: expected ${limits.join(' and ')} among those that are fast enough, the smallest of all has ${bytes} bytes and needs ${memoryBytes}`;
  return new NeuralDiffError('budget-impossible', message, { facts: { bytes, memoryBytes } });
}
