import type * as tf from '@tensorflow/tfjs';
import { raiseThreshold } from '../../examples/streaming-keywords/calibrate.js';
import type { StageSets } from '../../examples/streaming-keywords/data.js';
import type { StreamNetwork } from '../../examples/streaming-keywords/model.js';
import { diffModels } from '../../src/exact-diff/diff-stores.js';
import { copyModel } from '../../src/model/store.js';
import { openLiveModel } from '../../src/tfjs/live-store.js';
import { evaluateStreams, type ThreadResult, waitsOf } from './evaluate.js';

/** Longest wait, in seconds, of 95 % of the frames. */
const LONGEST_WAIT = 0.05;

/**
 * Raises the threshold of a recogniser's arbitrator until validation frames wait for at most `LONGEST_WAIT`.
 *
 * @param load of the thread, as in `LOADS`
 * @returns how it does on test streams, and the bytes of an exact diff; the model keeps the threshold
 */
export async function fitToThread(
  model: tf.LayersModel,
  network: StreamNetwork,
  { sets, load }: { readonly sets: StageSets; readonly load: number },
): Promise<{ threads: ThreadResult[]; bytes: number }> {
  const base = await copyModel(openLiveModel(model));
  const waits = (): number => waitsOf(model, network, { set: sets.validation, load })[1] as number;
  raiseThreshold(model, () => waits() <= LONGEST_WAIT);
  const { payload } = await diffModels(base, await copyModel(openLiveModel(model)));
  const threads = evaluateStreams(model, network, { sets, limit: 0, loads: [load] });
  return { threads, bytes: payload.length };
}
