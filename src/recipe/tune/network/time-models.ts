import * as tf from '@tensorflow/tfjs';

/** Rounds in which everything takes its turn; of the runs of a turn, the first bring data into the caches. */
const TURNS = { rounds: 31, first: 2, runs: 4 };

/** Longest time for one measurement, in milliseconds; three rounds are run in any case. */
const MOST_MS = 6000;

/** Runs before anything is measured, for compilers. */
const WARM_UP = 12;

/**
 * Times functions in turns, so that what slows a machine down for a while slows all of them.
 *
 * @returns median milliseconds of each
 */
export async function measureInTurns(runs: readonly (() => void)[]): Promise<number[]> {
  return (await timeRounds(runs)).map(median);
}

/** @returns for each function its milliseconds in each round */
async function timeRounds(runs: readonly (() => void)[]): Promise<number[][]> {
  for (const run of runs) for (let i = 0; i < WARM_UP; i++) run();
  const times = runs.map((): number[] => []);
  const start = performance.now();
  for (let round = 0; round < TURNS.rounds; round++) {
    if (round >= 3 && performance.now() - start > MOST_MS) break;
    for (const [i, run] of runs.entries()) {
      for (let each = 0; each < TURNS.first; each++) run();
      const began = performance.now();
      for (let each = 0; each < TURNS.runs; each++) run();
      times[i]?.push((performance.now() - began) / TURNS.runs);
    }
    await tf.nextFrame();
  }
  return times;
}

/** What inference of some networks takes. */
export interface ModelTimes {
  /** Median milliseconds of each. */
  readonly milliseconds: readonly number[];
  /** Median over rounds of the time of each in relation to the first one's. */
  readonly shares: readonly number[];
}

/** Times inference of one example, with the output read, in turns. */
export async function timeModels(models: readonly tf.LayersModel[]): Promise<ModelTimes> {
  const inputs = models.map((model) => model.inputs.map(exampleFor));
  const runs = models.map((model, i) => () => {
    const xs = inputs[i] as tf.Tensor[];
    tf.tidy(() => {
      const outputs = model.predict(xs.length === 1 ? (xs[0] as tf.Tensor) : xs);
      for (const output of [outputs].flat()) output.dataSync();
    });
  });
  const times = await timeRounds(runs);
  tf.dispose(inputs.flat());
  const first = times[0] as number[];
  const shares = times.map((list) => median(list.map((time, round) => time / (first[round] as number))));
  return { milliseconds: times.map(median), shares };
}

function exampleFor({ shape }: tf.SymbolicTensor): tf.Tensor {
  return tf.randomUniform([1, ...shape.slice(1).map((size) => size ?? 1)], 0, 1, 'float32', 1);
}

/** @returns the middle of some numbers, the upper of two */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number;
}

/** How well sums predict what whole networks take. */
export interface Prediction {
  readonly networks: number;
  /** Spearman's rank correlation. */
  readonly rankCorrelation: number;
  /** Mean of the absolute errors in relation to the measured times. */
  readonly meanError: number;
}

/** Compares predicted with measured times. */
export function comparePredicted(predicted: readonly number[], measured: readonly number[]): Prediction {
  const errors = predicted.map((value, i) => Math.abs(value / (measured[i] as number) - 1));
  const meanError = errors.reduce((sum, error) => sum + error, 0) / errors.length;
  const networks = predicted.length;
  return { networks, rankCorrelation: correlation(ranksOf(predicted), ranksOf(measured)), meanError };
}

/** @returns ranks from 0; equal values share the mean of theirs */
function ranksOf(values: readonly number[]): number[] {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length;
    const equal = values.filter((other) => other === value).length;
    return below + (equal - 1) / 2;
  });
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (list: readonly number[]): number => list.reduce((sum, each) => sum + each, 0) / list.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (const [i, value] of a.entries()) {
    const [x, y] = [value - meanA, (b[i] as number) - meanB];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa === 0 || bb === 0 ? 0 : ab / Math.sqrt(aa * bb);
}
