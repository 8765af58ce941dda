import { appendFile } from 'node:fs/promises';
import * as tf from '@tensorflow/tfjs';
import type * as Ort from 'onnxruntime-node';
import { NeuralDiffError } from '../../model/errors.js';
import { float16Bits, float16Value } from '../../model/float16.js';
import { kindOf } from '../../train/network.js';
import type { Numbers, OutputKind, Runner } from '../../train/predictor.js';

/** ONNX Runtime, as its package exports it. */
export type OnnxRuntime = Pick<typeof Ort, 'InferenceSession' | 'Tensor' | 'env'>;

/** @returns ONNX Runtime; undefined if it is not installed, or has no binary for this platform */
export async function importOnnxRuntime(): Promise<OnnxRuntime | undefined> {
  try {
    return await import('onnxruntime-node');
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    const isMissing = ['ERR_MODULE_NOT_FOUND', 'ERR_DLOPEN_FAILED'].includes(code);
    if (isMissing || (code === 'MODULE_NOT_FOUND' && message.includes('.node'))) return undefined;
    throw error;
  }
}

/** What to run of a model, and what its file does not tell. */
export interface OnnxRunnerOptions {
  /** Names of the outputs; by default those of the model. */
  readonly outputs?: readonly string[] | undefined;
  readonly outputKind?: OutputKind | undefined;
  /** @returns the activation of an output */
  activationOf(output: string): string | undefined;
}

/**
 * Opens an ONNX file in ONNX Runtime.
 *
 * @param path the file, with its external data next to it; it is changed if an inner value of its graph is to
 *   be an output
 * @returns the model; its runs throw NeuralDiffError `bad-data`, and `unsupported-model` for types of inputs
 * @throws NeuralDiffError `unsupported-model` if the runtime cannot load it
 */
export async function openOnnxRunner(
  runtime: OnnxRuntime,
  path: string,
  options: OnnxRunnerOptions,
): Promise<Runner> {
  let session = await createSession(runtime, path);
  const { outputs: outputNames = session.outputNames, outputKind, activationOf } = options;
  const inner = outputNames.filter((name) => !session.outputNames.includes(name));
  if (inner.length > 0) {
    await session.release();
    for (const name of inner) await appendFile(path, outputField(name));
    session = await createSession(runtime, path);
  }
  const inputs = session.inputMetadata.map(portOf);
  const described = new Map(session.outputMetadata.map((each) => [each.name, portOf(each)]));
  const activations = outputNames.map(activationOf);
  return {
    runtime: `ONNX Runtime ${runtime.env.versions.node ?? ''}`,
    inputNames: session.inputNames,
    inputShapes: inputs.map(({ shape }) => shape.map((size, axis) => (axis === 0 ? null : size))),
    outputNames,
    outputShapes: outputNames.map((name) => described.get(name)?.shape ?? []),
    outputKinds: activations.map((activation) => outputKind ?? kindOf(activation)),
    activations,
    run: (xs) =>
      inBatches(xs, inputs[0]?.shape[0] ?? undefined, async (batch) => {
        const feeds: Record<string, Ort.Tensor> = {};
        for (const [i, { name, type }] of inputs.entries())
          feeds[name] = await toOrt(runtime.Tensor, batch[i] as tf.Tensor, type);
        const found = await session.run(feeds, [...outputNames]).catch((cause) => {
          throw badData(cause);
        });
        return outputNames.map((name) => fromOrt(found[name] as Ort.Tensor));
      }),
    dispose: () => session.release(),
  };
}

function createSession({ InferenceSession }: OnnxRuntime, path: string): Promise<Ort.InferenceSession> {
  return InferenceSession.create(path, { logSeverityLevel: 4 }).catch((cause: Error) => {
    const message = `Cannot run the model in ONNX Runtime: ${cause.message}`;
    throw new NeuralDiffError('unsupported-model', message, { cause });
  });
}

/**
 * Runs a model of a fixed batch size on any number of examples; the last one fills up the last batch.
 *
 * @param size the batch size; undefined for any
 */
async function inBatches(
  xs: readonly tf.Tensor[],
  size: number | undefined,
  run: (xs: readonly tf.Tensor[]) => Promise<Numbers[]>,
): Promise<Numbers[]> {
  const count = xs[0]?.shape[0] ?? 0;
  if (size === undefined || size === count) return run(xs);
  const parts: Numbers[][] = [];
  for (let start = 0; start < count; start += size) {
    const places = Array.from({ length: size }, (_, i) => Math.min(start + i, count - 1));
    const batch = xs.map((x) => tf.gather(x, places));
    parts.push(await run(batch).finally(() => tf.dispose(batch)));
  }
  return (parts[0] ?? []).map((_, output) => {
    const found = parts.map((part) => part[output] as Numbers);
    const rows = found.flatMap(({ values }) => [...values]);
    const { shape, values } = found[0] as Numbers;
    const kept = rows.slice(0, (count * values.length) / size);
    return { shape: [count, ...shape.slice(1)], values: Float32Array.from(kept) };
  });
}

/** @returns name, type and shape of an input or output; sizes with a name are null */
function portOf(found: Ort.InferenceSession.ValueMetadata) {
  const { name } = found;
  if (!found.isTensor) return { name, type: '', shape: [] };
  return {
    name,
    type: found.type,
    shape: found.shape.map((size) => (typeof size === 'number' ? size : null)),
  };
}

/**
 * Encodes a graph with nothing but an output. Protocol Buffers merge it into the graph of the model that it
 * is appended to.
 *
 * Source: "Protocol Buffers: Encoding", section "Last One Wins"; ModelProto and GraphProto of `onnx.proto`.
 */
function outputField(name: string): Uint8Array {
  const field = (tag: number, content: Uint8Array) =>
    Uint8Array.of(tag, ...varint(content.length), ...content);
  return field(0x3a, field(0x62, field(0x0a, new TextEncoder().encode(name))));
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

/** Converts numbers of TensorFlow.js to an element type of ONNX Runtime. */
const CONVERTERS: Readonly<Record<string, (values: Iterable<number>) => Ort.Tensor['data']>> = {
  float32: (values) => Float32Array.from(values),
  float64: (values) => Float64Array.from(values),
  float16: (values) => Uint16Array.from(values, float16Bits),
  int64: (values) => BigInt64Array.from(Array.from(values, BigInt)),
  int32: (values) => Int32Array.from(values),
  uint8: (values) => Uint8Array.from(values),
  int8: (values) => Int8Array.from(values),
  bool: (values) => Uint8Array.from(values),
};

async function toOrt(Tensor: typeof Ort.Tensor, x: tf.Tensor, type: string): Promise<Ort.Tensor> {
  const convert = CONVERTERS[type];
  if (convert === undefined)
    throw new NeuralDiffError('unsupported-model', `Cannot run the model: it has inputs of type "${type}"`);
  const values = await x.data();
  try {
    return new Tensor(type as 'float32', convert(values) as Float32Array, x.shape);
  } catch (cause) {
    throw badData(cause as Error);
  }
}

function badData(cause: Error): NeuralDiffError {
  const message = `Cannot run the model on the data in ONNX Runtime: ${cause.message}`;
  return new NeuralDiffError('bad-data', message, { cause });
}

function fromOrt({ type, dims, data }: Ort.Tensor): Numbers {
  const values =
    type === 'float16' && data instanceof Uint16Array ? Float32Array.from(data, float16Value) : data;
  return { shape: dims, values: Float32Array.from(values as Iterable<number>, Number) };
}
