import { type FineTuned, fineTune } from '../../src/train/fine-tune.js';
import { digestOfWeights, keep } from './keep.js';
import { type Prepared, type StageArrays, TASK_PROGRAMS, type Unit } from './prepare.js';

/** A full fine-tune of the first update. */
export interface Full {
  readonly full: FineTuned;
  /** In words: how learning rate and epochs were found. */
  readonly tuning: string;
  /** What diffs and baselines of it follow from, in addition to their own settings. */
  readonly inputs: Readonly<Record<string, unknown>>;
}

const PROGRAM = new URL('../../src/train/fine-tune.js', import.meta.url);

/**
 * Trains the full fine-tune as the product does, learning rate and epochs found on the validation set, unless
 * an earlier run has. The test set is not looked at.
 */
export async function fullFineTune(
  { task, data, inputs }: Prepared,
  arrays: StageArrays,
  { seed, quick }: Unit,
): Promise<Full> {
  const { batchSize, epochs, learningRate } = data.fineTuning;
  const fixed = quick ? { epochs, learningRate } : {};
  const { train, validation } = arrays;
  const source = { what: 'full-fine-tune', programs: [...TASK_PROGRAMS, PROGRAM], inputs };
  const { value: full } = await keep(source, async () => {
    const found = await fineTune({ task, train, validation, batchSize, ...fixed, seed });
    return { ...found, weights: found.weights, deltas: found.deltas, fisher: found.fisher };
  });
  return {
    full,
    tuning: describe(full, { epochs, learningRate }),
    inputs: { ...inputs, full: digestOfWeights(full.weights) },
  };
}

function describe({ plan, metrics }: FineTuned, given: { epochs: number; learningRate: number }): string {
  const { epochs, learningRate } = plan ?? given;
  const goesOn = plan?.isImproving ? ', still improving' : '';
  const accuracy = (metrics.accuracy as number).toFixed(4);
  return `${epochs} epochs at ${learningRate}, validation accuracy ${accuracy}${goesOn}`;
}
