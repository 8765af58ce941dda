import { NeuralDiffError } from '../../model/errors.js';
import type { PredictRequest } from '../../recipe/farm/job-request.js';
import { type Answer, answer, type WorkerTask } from '../../recipe/sweep/worker.js';
import { readRows } from '../../train/predictor.js';
import type { Truth } from '../assess.js';
import { withExamples } from './load-examples.js';
import { withRunner } from './open-runner.js';
import { type Predicted, predict } from './predict.js';

/** Handles one request in a thread; the thread ends afterwards. */
export function work({ request, port }: WorkerTask<PredictRequest>): Promise<Answer<Predicted>> {
  return answer(port, ({ signal }) =>
    withExamples(request, signal, ({ model }) =>
      withRunner(model, async (runner) => {
        if (runner.runtime !== request.runtime) throw otherRuntime(runner.runtime, request.runtime);
        const truth = request.truth as Truth;
        return predict(runner, { data: model.data, truth, readRows, onExamples: () => {} });
      }),
    ),
  );
}

function otherRuntime(runtime: string, wanted: string): NeuralDiffError {
  const message = `Cannot predict: the report's other models are run by ${wanted}, and this machine has ${runtime}; install the same`;
  return new NeuralDiffError('job-refused', message, { facts: { wanted, runtime } });
}
