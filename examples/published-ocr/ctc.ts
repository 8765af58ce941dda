import * as tf from '@tensorflow/tfjs';

/** Class of the gap between letters; in rows of labels it also fills what a word leaves free. */
export const BLANK = 0;

/**
 * Connectionist temporal classification: minus the logarithm of the probability that the classes over time
 * read as a word, in whichever places its letters stand.
 *
 * Source: A. Graves et al., "Connectionist Temporal Classification", 2006, sections 4.1 and 4.2.
 *
 * @param labels one row of classes for each example, filled with `BLANK`
 * @param logits examples x times x classes
 * @returns a loss for each example
 */
export function ctcLoss(labels: tf.Tensor, logits: tf.Tensor): tf.Tensor {
  const [count, times, classes] = logits.shape as [number, number, number];
  const words = labels.dataSync();
  const letters = labels.shape[1] as number;
  const withGradient = tf.customGrad((given, save) => {
    const logs = tf.logSoftmax(given as tf.Tensor);
    const values = logs.dataSync() as Float32Array;
    const losses = new Float32Array(count);
    const gradient = tf.exp(logs).dataSync() as Float32Array;
    for (let i = 0; i < count; i++) {
      const word = words.slice(i * letters, (i + 1) * letters).filter((each) => each !== BLANK);
      const [start, end] = [i * times * classes, (i + 1) * times * classes];
      const example = { logs: values.subarray(start, end), times, classes };
      losses[i] = alignWord(example, word, gradient.subarray(start, end));
    }
    (save as tf.GradSaveFunc)([tf.tensor(gradient, [count, times, classes])]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor =>
      tf.mul(saved[0] as tf.Tensor, tf.reshape(dy, [count, 1, 1]));
    return { value: tf.tensor1d(losses), gradFunc };
  });
  return withGradient(logits);
}

/** Logarithms of probabilities over time. */
interface Example {
  readonly logs: Float32Array;
  readonly times: number;
  readonly classes: number;
}

/**
 * @param gradient probabilities, from which the shares of time that the word spends in each class are taken
 * @returns the loss of an example
 */
function alignWord(example: Example, word: ArrayLike<number>, gradient: Float32Array): number {
  const { logs, times, classes } = example;
  const states = Int32Array.from({ length: 2 * word.length + 1 }, (_, s) =>
    s % 2 === 0 ? BLANK : (word[(s - 1) / 2] as number),
  );
  const forward = walk(example, states);
  // The same backwards in time, over the states in reverse order.
  const turned = { ...example, logs: logs.slice() };
  for (let t = 0; t < times; t++)
    turned.logs.set(logs.subarray((times - 1 - t) * classes, (times - t) * classes), t * classes);
  const backward = walk(turned, states.slice().reverse());
  const size = states.length;
  const last = times * size - 1;
  const beforeLast = size > 1 ? (forward[last - 1] as number) : Number.NEGATIVE_INFINITY;
  const total = addLogs(forward[last] as number, beforeLast);
  for (let t = 0; t < times; t++) {
    for (let s = 0; s < size; s++) {
      const at = t * classes + (states[s] as number);
      const opposite = backward[(times - 1 - t) * size + (size - 1 - s)] as number;
      const share = (forward[t * size + s] as number) + opposite - (logs[at] as number) - total;
      gradient[at] = (gradient[at] as number) - Math.exp(share);
    }
  }
  return -total;
}

/** @returns logarithms of the probabilities of all ways to each state at each time, times x states */
function walk({ logs, times, classes }: Example, states: Int32Array): Float64Array {
  const size = states.length;
  const ways = new Float64Array(times * size).fill(Number.NEGATIVE_INFINITY);
  for (let t = 0; t < times; t++) {
    for (let s = 0; s < size; s++) {
      const before = (t - 1) * size + s;
      let way = t === 0 ? (s < 2 ? 0 : Number.NEGATIVE_INFINITY) : (ways[before] as number);
      if (t > 0 && s > 0) way = addLogs(way, ways[before - 1] as number);
      const mayJump = s > 1 && states[s] !== BLANK && states[s] !== states[s - 2];
      if (t > 0 && mayJump) way = addLogs(way, ways[before - 2] as number);
      ways[t * size + s] = way + (logs[t * classes + (states[s] as number)] as number);
    }
  }
  return ways;
}

/** @returns log(exp(a) + exp(b)) */
function addLogs(a: number, b: number): number {
  const most = Math.max(a, b);
  return most === Number.NEGATIVE_INFINITY ? most : most + Math.log1p(Math.exp(Math.min(a, b) - most));
}
