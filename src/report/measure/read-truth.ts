import type { Data } from '../../train/data.js';
import { type Numbers, type Runner, readRows } from '../../train/predictor.js';
import type { Truth } from '../assess.js';
import { classOutputsOf, type Descriptions, truthOf } from './truth.js';

/** Examples to read the labels of. */
export interface Examples {
  readonly data: Data;
  readonly descriptions: Descriptions;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads the ground truth of examples, without running the model.
 *
 * @throws NeuralDiffError `bad-data` for examples, labels or outputs that do not fit; the signal's reason
 */
export async function readTruth(runner: Runner, { data, descriptions, signal }: Examples): Promise<Truth> {
  const outputs = classOutputsOf(runner);
  const labels: Numbers[] = [];
  // Only labels are read here, so pass inputs and outputs without the function that runs the model.
  const { run: _run, ...ports } = runner;
  for await (const rows of readRows(data, ports)) {
    signal?.throwIfAborted();
    labels.push(rows.labels[outputs.place] as Numbers);
  }
  return truthOf(labels, outputs, descriptions);
}
