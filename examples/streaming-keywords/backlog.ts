import * as tf from '@tensorflow/tfjs';
import { annealedChoice } from 'neural-diff/train';

/** What a route through frames depends on besides the arbitrator's scores. */
export interface RouteSettings {
  /** Of the choices; 0 for hard ones. */
  readonly temperature: number;
  /** Time of the fast path as a share of the full path's, everything that runs in every frame included. */
  readonly fastShare: number;
}

/**
 * Lets a thread work through frames that arrive one by one. The score of a frame falls with the frames that
 * wait; it decides between the branches, whose time decides how many wait for the next:
 *
 *     p = choice(score - slope · waiting),  time = load · (fastShare + (1 - fastShare) · p),
 *     waiting' = max(0, waiting + time - 1)
 *
 * Gradients are those of the whole recursion. It runs on numbers, as there is little to compute in a step.
 *
 * @param scores [streams, frames, 1]
 * @param slope [1], what a frame that waits takes from the score
 * @param load [streams, 1], time of the full path in frames: above 1 it cannot keep up
 * @returns [streams, frames, 2]: shares of the full branch, and frames that wait
 */
export function routeFrames(
  scores: tf.Tensor,
  { slope, load, settings }: { slope: tf.Tensor; load: tf.Tensor; settings: RouteSettings },
): tf.Tensor {
  const route = tf.customGrad((...args) => {
    const [scores, slope, save] = args as [tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    const [streams, frames] = scores.shape as [number, number];
    const inputs = { scores: scores.dataSync(), slope: slope.dataSync()[0]!, loads: load.dataSync() };
    const shape = { streams, frames };
    const result = run({ ...inputs, ...shape }, settings);
    const value = tf.tensor(result, [streams, frames, 2]);
    save([value]);
    return {
      value,
      gradFunc: (upstream: tf.Tensor) => {
        const gradients = pull({ ...inputs, ...shape, result, upstream: upstream.dataSync() }, settings);
        return [tf.tensor(gradients.scores, scores.shape), tf.tensor1d([gradients.slope])];
      },
    };
  });
  return route(scores, slope);
}

interface Frames {
  readonly scores: ArrayLike<number>;
  readonly slope: number;
  readonly loads: ArrayLike<number>;
  readonly streams: number;
  readonly frames: number;
}

function run({ scores, slope, loads, streams, frames }: Frames, settings: RouteSettings): Float32Array {
  const { temperature, fastShare } = settings;
  const result = new Float32Array(2 * streams * frames);
  for (let stream = 0; stream < streams; stream++) {
    let waiting = 0;
    for (let i = stream * frames; i < (stream + 1) * frames; i++) {
      const full = annealedChoice(scores[i]! - slope * waiting, temperature);
      result[2 * i] = full;
      result[2 * i + 1] = waiting;
      waiting = Math.max(0, waiting + loads[stream]! * (fastShare + (1 - fastShare) * full) - 1);
    }
  }
  return result;
}

function pull(
  inputs: Frames & { readonly result: Float32Array; readonly upstream: ArrayLike<number> },
  { temperature, fastShare }: RouteSettings,
): { scores: Float32Array; slope: number } {
  const { slope, loads, streams, frames, result, upstream } = inputs;
  const scores = new Float32Array(streams * frames);
  let ofSlope = 0;
  for (let stream = 0; stream < streams; stream++) {
    const span = loads[stream]! * (1 - fastShare);
    // Of the frames that wait after this one.
    let ofWaiting = 0;
    for (let i = (stream + 1) * frames - 1; i >= stream * frames; i--) {
      const [full, waiting] = [result[2 * i]!, result[2 * i + 1]!];
      const isBusy = waiting + loads[stream]! * fastShare + span * full > 1;
      const after = isBusy ? ofWaiting : 0;
      const steepness = temperature === 0 ? 0 : (full * (1 - full)) / temperature;
      const ofScore = (upstream[2 * i]! + after * span) * steepness;
      scores[i] = ofScore;
      ofSlope -= ofScore * waiting;
      ofWaiting = after + upstream[2 * i + 1]! - ofScore * slope;
    }
  }
  return { scores, slope: ofSlope };
}
