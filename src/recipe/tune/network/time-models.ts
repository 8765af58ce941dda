import * as tf from '@tensorflow/tfjs';
import { rankCorrelation } from '../rank.js';

/** Rounds in which everything takes its turn; of the runs of a turn, the first bring data into the caches. */
const TURNS = { rounds: 31, first: 2, runs: 5 };

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

/** @returns for each function its milliseconds in each round: the fastest run of its turn */
async function timeRounds(runs: readonly (() => void)[]): Promise<number[][]> {
  for (const run of runs) for (let i = 0; i < WARM_UP; i++) run();
  const times = runs.map((): number[] => []);
  const start = performance.now();
  for (let round = 0; round < TURNS.rounds; round++) {
    if (round >= 3 && performance.now() - start > MOST_MS) break;
    for (const [i, run] of runs.entries()) {
      for (let each = 0; each < TURNS.first; each++) run();
      times[i]?.push(fastestOf(run));
    }
    await tf.nextFrame();
  }
  return times;
}

/** Other programs make some runs of a turn longer: the fastest one is what the function takes. */
function fastestOf(run: () => void): number {
  let fastest = Number.POSITIVE_INFINITY;
  for (let each = 0; each < TURNS.runs; each++) {
    const began = performance.now();
    run();
    fastest = Math.min(fastest, performance.now() - began);
  }
  return fastest;
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
  /** Spearman's; undefined for fewer than 3 networks, or equal times. */
  readonly rankCorrelation: number | undefined;
  /** Mean of the absolute errors in relation to the measured times. */
  readonly meanError: number;
}

/** Compares predicted with measured times. */
export function comparePredicted(predicted: readonly number[], measured: readonly number[]): Prediction {
  const errors = predicted.map((value, i) => Math.abs(value / (measured[i] as number) - 1));
  const meanError = errors.reduce((sum, error) => sum + error, 0) / errors.length;
  const networks = predicted.length;
  const pairs = predicted.map((value, i) => [value, measured[i] as number] as const);
  return { networks, rankCorrelation: rankCorrelation(pairs), meanError };
}
