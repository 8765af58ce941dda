import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { float16Bits } from '../../src/model/float16.js';
import {
  externalData,
  field,
  graphOutput,
  node,
  onnxModel,
  rawData,
  tensorProto,
} from '../containers/write-onnx.js';
import { concat, seededFloats } from '../support.js';

/** A classifier of the recipe `points`: two inputs, two hidden layers, three classes. */
const LAYERS = [
  ['hidden', 2, 64],
  ['middle', 64, 32],
  ['head', 32, 3],
] as const;

type Stored = 'float32' | 'float16';

interface Weight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Kernels that keep the size of what goes through, and small biases; rounded to what is stored. */
function weightsOf(dtype: Stored, separator: string): Weight[] {
  const weights = LAYERS.flatMap(([layer, from, to], i) => [
    { name: `${layer}${separator}weight`, shape: [from, to], scale: Math.sqrt(6 / from), seed: 20 + i },
    { name: `${layer}${separator}bias`, shape: [to], scale: 0.05, seed: 40 + i },
  ]);
  return weights.map(({ name, shape, scale, seed }) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const values = seededFloats(seed, count).map((value) => value * scale);
    const stored = dtype === 'float16' ? Uint16Array.from(values, float16Bits) : values;
    return { name, shape, bytes: new Uint8Array(stored.buffer) };
  });
}

/** How to write an ONNX file. */
interface OnnxOptions {
  readonly dtype?: Stored;
  /** File next to it that holds the weights. */
  readonly external?: string;
  /** Number of examples in a batch; any by default. */
  readonly batch?: number;
}

/** Writes an ONNX file: products, sums, a softmax of `logits` as the output `y`. */
export function writeOnnxFile(path: string, options: OnnxOptions = {}): void {
  const { dtype = 'float32', external, batch } = options;
  const weights = weightsOf(dtype, '.');
  const data: Uint8Array[] = [];
  const initialisers = weights.map(({ name, shape, bytes }) => {
    const offset = data.reduce((sum, each) => sum + each.length, 0);
    if (external) data.push(bytes);
    const dataOf = external ? externalData(external, offset, bytes.length) : rawData;
    return field(5, tensorProto({ name, dtype, shape, bytes }, dataOf));
  });
  mkdirSync(dirname(path), { recursive: true });
  if (external) writeFileSync(join(dirname(path), external), concat(...data));
  const size = batch === undefined ? field(2, 'examples') : field(1, batch);
  const shape = concat(field(1, size), field(1, field(1, 2)));
  const input = field(11, concat(field(1, 'x'), field(2, field(1, concat(field(1, 1), field(2, shape))))));
  const output = batch === undefined ? field(12, namedOutput('y')) : graphOutput('y', [batch, 3]);
  writeFileSync(path, onnxModel(...nodesOf(dtype), ...initialisers, input, output));
}

/** An output of any number of examples and three classes. */
function namedOutput(name: string): Uint8Array {
  const shape = concat(field(1, field(2, 'examples')), field(1, field(1, 3)));
  return concat(field(1, name), field(2, field(1, concat(field(1, 1), field(2, shape)))));
}

function nodesOf(dtype: Stored): Uint8Array[] {
  const nodes: Uint8Array[] = [];
  const wide = (name: string): string => {
    if (dtype === 'float32') return name;
    nodes.push(node('Cast', { inputs: [name], outputs: [`${name}/wide`], attributes: { to: 1 } }));
    return `${name}/wide`;
  };
  let value = 'x';
  for (const [layer] of LAYERS) {
    const [weight, bias] = [wide(`${layer}.weight`), wide(`${layer}.bias`)];
    const sum = layer === 'head' ? 'logits' : `${layer}/sum`;
    nodes.push(node('MatMul', { inputs: [value, weight], outputs: [`${layer}/product`] }));
    nodes.push(node('Add', { inputs: [`${layer}/product`, bias], outputs: [sum] }));
    value = layer === 'head' ? 'logits' : `${layer}/out`;
    if (layer !== 'head') nodes.push(node('Relu', { inputs: [sum], outputs: [value] }));
  }
  nodes.push(node('Softmax', { inputs: [value], outputs: ['y'] }));
  return nodes;
}

const FLOAT = { type: 'DT_FLOAT' };

/** Writes the same network as a GraphModel, as the converter writes it. */
export function writeGraphFolder(folder: string): void {
  const weights = weightsOf('float32', '/');
  const step = (op: string, name: string, input: string[]) => ({ name, op, input, attr: { T: FLOAT } });
  let value = 'x';
  const nodes = LAYERS.flatMap(([layer]) => {
    const isLast = layer === 'head';
    const made = [
      step('MatMul', `${layer}/product`, [value, `${layer}/weight`]),
      step('BiasAdd', isLast ? 'logits' : `${layer}/sum`, [`${layer}/product`, `${layer}/bias`]),
      isLast ? step('Softmax', 'y', ['logits']) : step('Relu', `${layer}/out`, [`${layer}/sum`]),
    ];
    value = `${layer}/out`;
    return made;
  });
  const dim = [{ size: '-1' }, { size: '2' }];
  const x = { name: 'x', op: 'Placeholder', attr: { dtype: FLOAT, shape: { shape: { dim } } } };
  const constants = weights.map(({ name }) => ({ name, op: 'Const', attr: { dtype: FLOAT } }));
  const manifest = weights.map(({ name, shape }) => ({ name, shape, dtype: 'float32' }));
  const json = {
    format: 'graph-model',
    modelTopology: { node: [x, ...constants, ...nodes], versions: { producer: 1_395 } },
    weightsManifest: [{ paths: ['weights.bin'], weights: manifest }],
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'model.json'), JSON.stringify(json));
  writeFileSync(join(folder, 'weights.bin'), concat(...weights.map(({ bytes }) => bytes)));
}
