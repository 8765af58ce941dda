import { fingerprint } from '../../../model/fingerprint.js';
import { importWithTensorFlow } from '../../../recipe/import-training.js';
import { openBase, seedFor } from '../../../recipe/open-base.js';
import type { Precision } from '../../precision.js';
import type { MeasureOptions } from '../options.js';
import type { PrecisionOptions } from './choose-precision.js';

/** A model on disk, a recipe with examples, and a contract. */
export interface AdviceJob
  extends PrecisionOptions,
    Pick<MeasureOptions, 'base' | 'chain' | 'seed' | 'backend'> {
  /** Path of the recipe module. */
  readonly recipe: string;
}

/**
 * Finds, for each tensor of a model, the coarsest grid on which a device could store it, so that all together
 * keep a contract of accuracy on the recipe's validation data.
 *
 * @throws as `choosePrecision`; NeuralDiffError `missing-package`, those of a recipe, its examples, and of a
 *   model on disk
 */
export async function advisePrecision(job: AdviceJob): Promise<Precision> {
  const { base, chain, recipe, seed, backend = 'wasm', ...options } = job;
  const { store } = await openBase({ base, chain });
  const found = await fingerprint(store, { signal: options.signal }).finally(() => store.close());
  const { withAccuracyBench } = await importWithTensorFlow(() => import('../accuracy.js'));
  const accuracy = { base, chain, recipe, backend, seed: seed ?? seedFor(found) };
  return withAccuracyBench(accuracy, options.signal, (bench) => bench.advisePrecision(options));
}
