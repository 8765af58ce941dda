import { readFile } from 'node:fs/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';

/** Examples of one shape, one after another. */
export interface Rows {
  readonly values: Float32Array;
  /** Shape of one example. */
  readonly shape: readonly number[];
  readonly count: number;
}

/** One thread gives the same numbers each time; warnings of weights without a use are left out. */
const OPTIONS: InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  logSeverityLevel: 3,
};

/** How to run a network. */
export interface OnnxRun {
  /** Name of the value that is returned. */
  readonly output: string;
  /** Examples that go through the network at once, default 16. */
  readonly batchSize?: number;
}

/**
 * Runs a network of one input over examples in ONNX Runtime, on one thread: the same numbers each time.
 *
 * @param model the file's path or its bytes
 * @param rows shape without the batch dimension, which the network has first
 */
export async function runOnnx(
  model: string | Uint8Array,
  rows: Rows,
  { output, batchSize = 16 }: OnnxRun,
): Promise<Rows> {
  const bytes = typeof model === 'string' ? await readFile(model) : model;
  const session = await InferenceSession.create(bytes, OPTIONS);
  const [input] = session.inputNames as [string];
  const size = rows.shape.reduce((product, each) => product * each, 1);
  const parts: Tensor[] = [];
  try {
    for (let first = 0; first < rows.count; first += batchSize) {
      const last = Math.min(first + batchSize, rows.count);
      const batch = rows.values.subarray(first * size, last * size);
      const results = await session.run({
        [input]: new Tensor('float32', batch, [last - first, ...rows.shape]),
      });
      parts.push(results[output] as Tensor);
    }
  } finally {
    await session.release();
  }
  const values = new Float32Array(parts.reduce((sum, { data }) => sum + data.length, 0));
  let position = 0;
  for (const { data } of parts) {
    values.set(data as Float32Array, position);
    position += data.length;
  }
  return { values, shape: parts[0]?.dims.slice(1) ?? [], count: rows.count };
}

/** @returns the share of examples whose largest number is that of their label */
export function accuracyOf({ values, count }: Rows, labels: ArrayLike<number>): number {
  const classes = values.length / count;
  let hits = 0;
  for (let i = 0; i < count; i++) {
    const row = values.subarray(i * classes, (i + 1) * classes);
    if (row.indexOf(Math.max(...row)) === labels[i]) hits++;
  }
  return hits / count;
}
