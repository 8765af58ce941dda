import * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../../model/errors.js';
import { findNode, type GraphNode, internalsOf, readShape, signatureOf } from './graph-nodes.js';

type Shape = readonly (number | null)[];

/** An input of a GraphModel. */
export interface GraphPort {
  readonly name: string;
  readonly dtype: tf.DataType | undefined;
  /** With the batch first; null for any size. Undefined if the file does not tell. */
  readonly shape: Shape | undefined;
  /** Examples that the graph takes at once; undefined for any number. */
  readonly batch: number | undefined;
}

/** @returns the inputs that a caller passes: those without a default and without a state of the model */
export function graphPorts(model: tf.GraphModel): GraphPort[] {
  const { nodes } = internalsOf(model).executor.graph;
  const { inputs = {} } = signatureOf(model);
  return model.inputNodes.flatMap((name, i): GraphPort[] => {
    const { name: nodeName = name, dtype, shape } = model.inputs[i] as tf.InferenceModel['inputs'][number];
    if (nodes[nodeName]?.op !== 'Placeholder' || inputs[name]?.resourceId !== undefined) return [];
    if (shape === undefined) return [{ name, dtype, shape: undefined, batch: undefined }];
    const sizes = shape.map((size) => (size < 0 ? null : size));
    const batch = sizes[0] ?? undefined;
    return [{ name, dtype, shape: [null, ...sizes.slice(1)], batch }];
  });
}

/** Values that go in, and names of those to compute. */
interface GraphCall {
  readonly xs: readonly tf.Tensor[];
  readonly names: readonly string[];
}

/**
 * Runs a GraphModel on a batch. A graph for a fixed number of examples runs several times.
 *
 * @throws NeuralDiffError `bad-data` if the examples cannot be divided into what the graph takes,
 *   `unsupported-model` for outputs without an element for each example
 */
export function runGraph(model: tf.GraphModel, ports: readonly GraphPort[], { xs, names }: GraphCall) {
  const feeds = xs.map((x, i) => asType(x, ports[i]?.dtype));
  const count = feeds[0]?.shape[0] ?? 0;
  const batch = ports.find((port) => port.batch !== undefined)?.batch ?? count;
  if (batch < 1 || count % batch !== 0) {
    const message = `Cannot use data: the model takes ${batch} examples at once, got ${count}`;
    throw new NeuralDiffError('bad-data', message);
  }
  const runs: tf.Tensor[][] = [];
  for (let first = 0; first < count; first += batch) {
    const given = batch === count ? feeds : feeds.map((feed) => tf.slice(feed, first, batch));
    const inputs = Object.fromEntries(ports.map(({ name }, i) => [name, given[i] as tf.Tensor]));
    const outputs = model.execute(inputs, [...names]);
    runs.push(checkBatch(Array.isArray(outputs) ? outputs : [outputs], names, batch));
  }
  if (runs.length === 1) return runs[0] as tf.Tensor[];
  return names.map((_, i) => tf.concat(runs.map((outputs) => outputs[i] as tf.Tensor)));
}

function asType(x: tf.Tensor, dtype: tf.DataType | undefined): tf.Tensor {
  return dtype === undefined || x.dtype === dtype ? x : tf.cast(x, dtype);
}

function checkBatch(outputs: tf.Tensor[], names: readonly string[], batch: number): tf.Tensor[] {
  for (const [i, { shape }] of outputs.entries()) {
    if (shape[0] === batch) continue;
    const message = `Cannot use output "${names[i]}": expected one element for each of ${batch} examples first, got shape [${shape}]`;
    throw new NeuralDiffError('unsupported-model', message);
  }
  return outputs;
}

/** @returns what the file tells about a value; undefined if the graph has none of this name */
export function valueFacts(
  model: tf.GraphModel,
  name: string,
): { shape: Shape | undefined; activation: string | undefined } | undefined {
  const node = findNode(model, name);
  if (node === undefined) return undefined;
  const index = Number(name.split(':')[1] ?? 0);
  const { _output_shapes: shapes } = node.rawAttrs ?? {};
  const known = shapes?.list?.shape?.[index] ?? signatureOf(model).outputs?.[name]?.tensorShape;
  const shape = readShape(known);
  return { shape: shape && [null, ...shape.slice(1)], activation: activationOf(node) };
}

/** Operations that keep the values of their first input, or only bring them into another shape. */
const KEEPING: ReadonlySet<string> = new Set(['Identity', 'Reshape', 'Squeeze', 'EnsureShape', 'Snapshot']);

function activationOf(node: GraphNode): string | undefined {
  const [input] = node.inputs;
  if (KEEPING.has(node.op) && input) return activationOf(input);
  if (node.op === 'Softmax' || node.op === 'Sigmoid') return node.op.toLowerCase();
  const fused = node.attrParams.fusedOps?.value;
  return Array.isArray(fused) && fused.at(-1) === 'sigmoid' ? 'sigmoid' : undefined;
}
