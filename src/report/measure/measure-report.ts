import type { Measurements } from '../document.js';
import { measureWith } from './measure-with.js';
import type { MeasureOptions } from './options.js';

/**
 * Measures the costs and results of payloads, and alternative ways of shipping the same update. Only
 * temporary files are written, and they are removed. TensorFlow.js is loaded only for a recipe.
 *
 * 1. Opens base, full fine-tune and payloads, and checks everything that could fail later. Payloads that
 *   make new files make them here.
 * 2. Decodes the payloads and compares them with the base tensor by tensor.
 * 3. Tries alternative ways of shipping.
 * 4. Applies the payloads to copies of the model's files.
 * 5. Runs the models on all examples, those of payloads after decoding.
 * 6. Runs those that are LayersModels on the streams of the recipe, if it has any.
 *
 * @throws RangeError for no payloads, duplicate names, an invalid number of runs
 * @throws NeuralDiffError `wrong-base`, `wrong-layout`, `broken-chain`, `result-mismatch` and a payload's own
 *   codes if one does not fit; `bad-data` for examples or outputs unfit to measure accuracy; those of a
 *   recipe and of models on disk; `missing-package`; `no-space`
 * @throws the signal's reason
 *
 * @example
 * const measured = await measureReport({ base: 'models/v1', payloads: ['v2.ndiff'], applyRuns: 1 });
 * console.log(measured.candidates[0]?.bytes);
 */
export function measureReport(options: MeasureOptions): Promise<Measurements> {
  return measureWith(options, undefined);
}
