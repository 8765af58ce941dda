// Tunes payloads of one task with one seed: `tune`, random search, and the defaults of both kinds.

import { parentPort, workerData } from 'node:worker_threads';
import { fitForest } from '../../src/recipe/tune/estimator.js';
import type { KnownTask } from '../../src/recipe/tune/forecast.js';
import type { PlannedTrial } from '../../src/recipe/tune/goal.js';
import { jobOf, payloadSpace } from '../../src/recipe/tune/payload-space.js';
import { firstTrials, SHORT } from '../../src/recipe/tune/plan.js';
import { rankCorrelation } from '../../src/recipe/tune/rank.js';
import { type Configuration, featuresOf, keyOf, type Space, sample } from '../../src/recipe/tune/space.js';
import { type PayloadTrial, type TuneContext, tunePayload } from '../../src/recipe/tune/tune-payload.js';
import { createRandom } from '../../src/train/random.js';
import { hitsOf } from '../accuracy/hits.js';
import { meanOf } from '../accuracy/result.js';
import { fullFineTune } from '../common/full-fine-tune.js';
import { arraysOf, prepare, type Unit } from '../common/prepare.js';
import type { UnitMessage } from '../common/units.js';
import { findTask } from '../tasks/index.js';
import type { Stage } from '../tasks/task.js';
import { type Evaluated, evaluate, type Setting } from './evaluate.js';
import { expectedBest, type Found, type Measurement, type TuneUnitResult } from './result.js';

/** Share of the float32 model that payloads may take. */
const SHARE = 0.003;

/** Parts of the pool of random configurations, each forecast from the others. */
const FOLDS = 4;

/** What a unit of this bench runs. */
export interface TuneUnit extends Unit {
  /** Whole trials after which the best is looked at, in ascending order. */
  readonly trials: readonly number[];
  /** Trials of earlier searches. */
  readonly known: readonly KnownTask[];
  /** Whether random search is measured too. */
  readonly isCompared: boolean;
}

const unit = workerData as TuneUnit;
const say = (message: UnitMessage<TuneUnitResult>): void => parentPort?.postMessage(message);
const space = payloadSpace({ isSizeFree: false });

/** The space of searches for the smallest payload, and configurations drawn from it. */
const SIZE_SPACE = payloadSpace({ isSizeFree: true });
const SIZED = 32;
const LARGEST_SHARE = 0.01;

async function run(): Promise<TuneUnitResult> {
  const prepared = await prepare(findTask(unit.task), unit);
  const { data, task, weights } = prepared;
  const arrays = arraysOf(data.stages[1] as Stage, data.classes);
  const tuned = await fullFineTune(prepared, arrays, unit);
  const hits = await hitsOf({ task, arrays }, tuned.full.weights);
  const setting = { ...prepared, ...tuned, arrays, seed: unit.seed };
  const session = new Session(setting, 4 * weights);
  const searched: Found[] = [];
  let trials: readonly PayloadTrial[] = [];
  for (const most of unit.trials) {
    const found = await session.tune(most);
    trials = found.trials;
    searched.push(found);
  }
  const { isCompared } = unit;
  const count = unit.trials.at(-1) as number;
  const pool = isCompared ? await session.randomPool(count, { of: space, fidelity: 1, share: SHARE }) : [];
  // Sizes and times hardly depend on the epochs, and matter where the size is free.
  const sized = isCompared
    ? await session.randomPool(SIZED, { of: SIZE_SPACE, fidelity: SHORT, share: LARGEST_SHARE })
    : [];
  const defaults = await session.defaults();
  return {
    task: unit.task,
    seed: unit.seed,
    fullTest: meanOf([...hits]),
    tests: hits.length,
    validationExamples: arrays.validation.xs.shape[0] as number,
    searched,
    random: isCompared ? unit.trials.map((count) => expectedBest(pool, count)) : [],
    defaults,
    correlations: {
      ...(await correlationsOf(pool, ['gap'])),
      ...(await correlationsOf(sized, ['bytes', 'applyMilliseconds'])),
    },
    trials: trials.map(({ configuration, fidelity, measured }) => ({ configuration, fidelity, measured })),
  };
}

/** Which random configurations to train, and with what share of their epochs. */
interface PoolOptions {
  readonly of: Space;
  readonly fidelity: number;
  /** Of the float32 model: what payloads may take. */
  readonly share: number;
}

/** Trials of one task, each trained once whatever asks for it. */
class Session {
  readonly #setting: Setting;
  readonly #modelBytes: number;

  /** @param modelBytes of the float32 model */
  constructor(setting: Setting, modelBytes: number) {
    this.#setting = setting;
    this.#modelBytes = modelBytes;
  }

  /** Runs the product's search. */
  async tune(most: number): Promise<Found & { trials: readonly PayloadTrial[] }> {
    const evaluated = new Map<string, Evaluated>();
    const result = await tunePayload(
      {
        job: this.#job,
        recipe: {},
        space,
        limits: { mostBytes: this.#bytesOf(SHARE) },
        metric: { name: 'accuracy', better: 'higher' },
        trials: most,
        known: unit.known,
      },
      this.#context(evaluated, most),
    );
    const { best, trials, correlations } = result;
    const { measured, configuration } = best as PayloadTrial;
    const { testAccuracy } = evaluated.get(nameOf(best as PayloadTrial)) as Evaluated;
    const seconds = [...evaluated.values()].reduce((sum, each) => sum + each.seconds, 0);
    const gap = measured?.gap as number;
    const whole = trials.filter(({ fidelity }) => fidelity === 1);
    const least = Math.min(...whole.map((trial) => trial.measured?.gap ?? Infinity));
    const found = { trials, most, gap, least, testAccuracy, seconds };
    return { ...found, configuration: keyOf(configuration), correlations };
  }

  #context(evaluated: Map<string, Evaluated>, most: number): TuneContext {
    const planned: PlannedTrial[] = [];
    let done = 0;
    return {
      find: async (trial) => {
        planned.push(trial);
        return undefined;
      },
      train: async (jobs, { onOutcome }) => {
        const first = planned.length - jobs.length;
        for (const [i, job] of jobs.entries()) {
          const found = await evaluate(job, this.#setting);
          evaluated.set(nameOf(planned[first + i] as PlannedTrial), found);
          await onOutcome?.(found.outcome, i);
        }
      },
      measureApply: async (trial) => {
        const { applyMilliseconds } = evaluated.get(nameOf(trial)) as Evaluated;
        return { milliseconds: applyMilliseconds, memoryBytes: 0 };
      },
      keep: async () => {},
      onStep: () => {},
      onTrial: (trial) => {
        done += trial.fidelity;
        const { gap = Number.NaN, bytes = 0 } = trial.measured ?? {};
        const about = `tune ${done} of ${most}: ${keyOf(trial.configuration)} at ${trial.fidelity}`;
        say({
          type: 'progress',
          text: `${unit.task}, seed ${unit.seed}: ${about}: ${bytes} bytes, gap ${gap.toFixed(4)}`,
        });
      },
    };
  }

  /** Trains random configurations, the defaults not among them. */
  async randomPool(count: number, { of, fidelity, share }: PoolOptions): Promise<Measurement[]> {
    const random = createRandom(1000 + unit.seed);
    const drawn = new Map<string, Configuration>();
    while (drawn.size < count) {
      const configuration = sample(of, random);
      drawn.set(keyOf(configuration), configuration);
    }
    const pool: Measurement[] = [];
    for (const configuration of drawn.values()) {
      const found = await this.#measure({ configuration, fidelity }, share);
      pool.push({ ...found, features: featuresOf(of, configuration) });
      const about = `random ${pool.length} of ${count}, fidelity ${fidelity}: gap ${found.gap.toFixed(4)}`;
      say({ type: 'progress', text: `${unit.task}, seed ${unit.seed}: ${about}` });
    }
    return pool;
  }

  /** What `train auto` takes: the better of the defaults. */
  async defaults(): Promise<Measurement> {
    const measured: Measurement[] = [];
    for (const trial of firstTrials(space)) measured.push(await this.#measure(trial, SHARE));
    return measured.sort((a, b) => a.gap - b.gap)[0] as Measurement;
  }

  async #measure(trial: PlannedTrial, share: number): Promise<Measurement> {
    const job = jobOf(trial, { job: this.#job, recipe: {}, mostBytes: this.#bytesOf(share) });
    const { outcome, testAccuracy, applyMilliseconds, seconds } = await evaluate(job, this.#setting);
    const { metrics, payload } = outcome.diff;
    const gap = (metrics.full.accuracy as number) - (metrics.diff.accuracy as number);
    const features = featuresOf(space, trial.configuration);
    return { features, gap, bytes: payload.length, applyMilliseconds, testAccuracy, seconds };
  }

  #bytesOf(share: number): number {
    return Math.floor(this.#modelBytes * share);
  }

  get #job() {
    const { data, seed } = this.#setting;
    return { base: '', recipe: '', seed, options: { epochs: data.diffEpochs } };
  }
}

function nameOf({ configuration, fidelity }: PlannedTrial): string {
  return `${keyOf(configuration)} at ${fidelity}`;
}

/** How well forests order configurations that they have not seen: each part of a pool from the others. */
async function correlationsOf(
  pool: readonly Measurement[],
  measures: readonly ('gap' | 'bytes' | 'applyMilliseconds')[],
): Promise<TuneUnitResult['correlations']> {
  const found: Record<string, number | undefined> = {};
  for (const measure of measures) {
    const pairs: [number, number][] = [];
    for (let fold = 0; fold < FOLDS && pool.length > FOLDS; fold++) {
      const seen = pool.filter((_, i) => i % FOLDS !== fold);
      const unseen = pool.filter((_, i) => i % FOLDS === fold);
      const samples = {
        features: seen.map(({ features }) => features),
        values: seen.map((each) => each[measure]),
      };
      const forest = await fitForest(samples, unit.seed);
      const guesses = forest(unseen.map(({ features }) => features));
      for (const [i, each] of unseen.entries()) pairs.push([guesses[i]?.mean as number, each[measure]]);
    }
    found[measure] = rankCorrelation(pairs);
  }
  return found;
}

say({ type: 'result', result: await run() });
