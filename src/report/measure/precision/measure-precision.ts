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

/** A model, and the sets of a recipe. */
export interface PrecisionJob extends PrecisionOptions {
  readonly model: Omit<LiveModel, 'data'>;
  readonly found: Pick<RecipeData, 'validation' | 'test' | 'labels'>;
}

/**
 * Chooses grids on the validation data, and measures what was chosen on the test data. Without validation
 * data those of the test choose. TensorFlow.js runs the model, whatever its file.
 *
 * @throws as `choosePrecision`; NeuralDiffError those of the model and its examples
 */
export async function measurePrecision({ model, found, ...options }: PrecisionJob): Promise<Precision> {
  const { validation, test } = found;
  const data = validation ?? test;
  if (data === undefined) throw bad('expected "validation" among the data of the recipe');
  return withWeights({ ...model, data }, async (live) => {
    const { probe, examples } = await probeOn(live, { data, found, options });
    const choice = await choosePrecision(probe, options);
    const isTested = validation !== undefined && test !== undefined;
    const other = isTested && (await probeOn(live, { data: test, found, options })).probe;
    const tested = other ? await measureTotals(other, choice) : new Map();
    return {
      maxGap: options.maxGap,
      chosenBy: { source: validation ? 'validation' : 'test', examples },
      runs: choice.runs,
      tensors: tensorsOf(live, choice),
      totals: choice.totals.map(({ grids: _grids, ...total }): PrecisionTotal => {
        const standing = tested.get(total.way);
        return standing ? { ...total, test: standing } : total;
      }),
    };
  });
}

async function probeOn(
  live: LiveWeights,
  {
    data,
    found: { labels },
    options: { signal },
  }: { data: Data; found: PrecisionJob['found']; options: PrecisionOptions },
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
