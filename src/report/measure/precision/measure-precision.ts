import type { RecipeData } from '../../../recipe/recipe.js';
import type { Data } from '../../../train/data.js';
import { roundToGrid } from '../../../train/store-on-grid.js';
import type { Precision, PrecisionTotal, Standing } from '../../precision.js';
import { type LiveModel, type LiveWeights, withWeights } from '../open-runner.js';
import { readTruth } from '../read-truth.js';
import { bad } from '../truth.js';
import {
  choosePrecision,
  type Grids,
  type PrecisionChoice,
  type PrecisionOptions,
  type PrecisionProbe,
} from './choose-precision.js';
import { createProbe } from './live-probe.js';

/** A contract, and the sets of a recipe. */
export interface PrecisionJob extends PrecisionOptions {
  readonly found: Pick<RecipeData, 'validation' | 'test' | 'labels'>;
}

/**
 * Chooses grids for a model on disk. TensorFlow.js runs it, whatever its file.
 *
 * @throws as `measureGrids`; NeuralDiffError those of the model
 */
export function measurePrecision(model: Omit<LiveModel, 'data'>, job: PrecisionJob): Promise<Precision> {
  return withWeights({ ...model, data: choosingSet(job) }, (live) => measureGrids(live, job));
}

/** @throws NeuralDiffError `bad-data` */
function choosingSet({ found: { validation, test } }: PrecisionJob): Data {
  const data = validation ?? test;
  if (data === undefined) throw bad('expected "validation" among the data of the recipe');
  return data;
}

/**
 * Chooses grids on the validation data, and measures what was chosen on the test data. Without validation
 * data those of the test choose.
 *
 * @throws as `choosePrecision`; NeuralDiffError `bad-data` for examples that do not fit
 */
export async function measureGrids(live: LiveWeights, job: PrecisionJob): Promise<Precision> {
  const { validation, test } = job.found;
  const { probe, examples } = await probeOn(live, choosingSet(job), job);
  const choice = await choosePrecision(probe, job);
  const isTested = validation !== undefined && test !== undefined;
  const other = isTested ? (await probeOn(live, test, job)).probe : undefined;
  const tested = other ? await measureTotals(other, choice) : new Map<string, Standing>();
  return {
    maxGap: job.maxGap,
    chosenBy: { source: validation ? 'validation' : 'test', examples },
    runs: choice.runs,
    tensors: tensorsOf(live, choice),
    totals: choice.totals.map(({ grids: _grids, ...total }): PrecisionTotal => {
      const standing = tested.get(total.way);
      return standing ? { ...total, test: standing } : total;
    }),
  };
}

async function probeOn(
  live: LiveWeights,
  data: Data,
  { found: { labels }, signal }: PrecisionJob,
): Promise<{ probe: PrecisionProbe; examples: number }> {
  const descriptions = labels ? { labels } : {};
  const truth = await readTruth(live.runner, { data, descriptions, signal });
  return { probe: await createProbe({ ...live, data, truth, signal }), examples: truth.classes.length };
}

/** Measures each model once, also where several ways lead to it. */
async function measureTotals(
  probe: PrecisionProbe,
  { totals }: PrecisionChoice,
): Promise<Map<PrecisionTotal['way'], Standing>> {
  const measured = new Map<Grids, Standing | undefined>();
  for (const { grids } of totals)
    if (!measured.has(grids)) measured.set(grids, await probe.measure(roundAll(probe, grids)));
  return new Map(
    totals.flatMap(({ way, grids }): [PrecisionTotal['way'], Standing][] => {
      const standing = measured.get(grids);
      return standing ? [[way, standing]] : [];
    }),
  );
}

function roundAll({ floats }: PrecisionProbe, grids: Grids): Map<string, Float32Array> {
  const chosen = [...floats.values()].filter(({ name }) => grids.has(name));
  return new Map(
    chosen.map((tensor) => [tensor.name, roundToGrid(tensor, grids.get(tensor.name) as 'float16')]),
  );
}

function tensorsOf({ tensors }: LiveWeights, { tensors: measured, totals }: PrecisionChoice) {
  const [grids, coarser] = (['mixed', 'mixed-int4'] as const).map(
    (way) => totals.find((total) => total.way === way)?.grids,
  );
  return tensors.map(({ name: tensor, dtype, shape }, i): Precision['tensors'][number] => {
    const { bytes, options } = measured[i] as PrecisionChoice['tensors'][number];
    const [grid, int4Grid] = [grids?.get(tensor), coarser?.get(tensor)];
    const gridBytes = options.find((option) => option.grid === grid)?.bytes ?? bytes;
    return {
      ...{ tensor, dtype, shape: [...shape], bytes, gridBytes, options },
      ...(grid && { grid }),
      ...(int4Grid && { int4Grid }),
    };
  });
}
