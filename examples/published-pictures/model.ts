import * as tf from '@tensorflow/tfjs';
import { MobileNetV2MidModel } from 'nsfwjs/models/mobilenet_v2_mid';
import { drawPicture, labelsOf, PICTURE_SIZE, type PictureSet } from '../fine-tune-any-model/pictures.js';

/** Files of a model by path. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** The parts of `model.json` that are read or changed here. */
interface ModelJson {
  readonly modelTopology: { readonly node: readonly GraphNode[] };
  readonly userDefinedMetadata: { readonly signature: { readonly inputs: object; readonly outputs: object } };
  readonly weightsManifest: readonly { readonly paths: readonly string[] }[];
}

interface GraphNode {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly string[];
}

/** How the package embeds a model: `model.json` as a module, each weight shard as one with base64 text. */
interface EmbeddedModel {
  readonly modelJson: () => Promise<{ default: ModelJson }>;
  readonly weightBundles: readonly (() => Promise<{ default: string }>)[];
}

const NETWORK =
  'StatefulPartitionedCall/sequential/keras_layer/StatefulPartitionedCall/StatefulPartitionedCall/StatefulPartitionedCall/predict/MobilenetV2';

/** The value behind which weights are trained: what is below stays as it was published. */
const CUT = {
  name: `${NETWORK}/expanded_conv_16/project/BatchNorm/FusedBatchNormV3`,
  shape: [7, 7, 448],
} as const;

/** Weights behind that value: the last convolution and the layer of classes. */
export const TRAINED: readonly string[] = [`${NETWORK}/Conv_1/*`, 'Func/*'];

/** The values to train on, and the output, their softmax. */
export const LOGITS = 'StatefulPartitionedCall/sequential/dense/BiasAdd';
const OUTPUT = 'Identity';

/** Pictures that go through the model at once. */
const BATCH_SIZE = 8;

/**
 * Unpacks the larger model of the package `nsfwjs` (MIT licence): MobileNet v2 with 1.4 times the channels, a
 * GraphModel whose weights are integers of 8 bits.
 *
 * @returns contents by path of a GraphModel folder
 */
export async function unpackModel(): Promise<Map<string, Uint8Array>> {
  const { modelJson, weightBundles } = MobileNetV2MidModel as EmbeddedModel;
  const json = (await modelJson()).default;
  const files = new Map([['model.json', encode(json)]]);
  const paths = json.weightsManifest.flatMap((group) => group.paths);
  for (const [i, bundle] of weightBundles.entries())
    files.set(paths[i] as string, Uint8Array.from(Buffer.from((await bundle()).default, 'base64')));
  return files;
}

function encode(json: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(json));
}

/**
 * Cuts the network: what remains takes the value of `CUT` as its input. All weights stay, those that are no
 * longer used too, so that the rest has the tensors of the whole.
 */
export function trainedPart(files: Files): Map<string, Uint8Array> {
  const json = JSON.parse(new TextDecoder().decode(files.get('model.json'))) as ModelJson;
  const nodes = new Map(json.modelTopology.node.map((node) => [node.name, node]));
  const needed = new Set<string>();
  const queue = [OUTPUT];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (needed.has(name)) continue;
    needed.add(name);
    if (name !== CUT.name) queue.push(...(nodes.get(name)?.input ?? []));
  }
  const dim = [-1, ...CUT.shape].map((size) => ({ size: `${size}` }));
  const tensorShape = { dim };
  const input = {
    name: CUT.name,
    op: 'Placeholder',
    attr: { dtype: { type: 'DT_FLOAT' }, shape: { shape: tensorShape } },
  };
  // Constants wait for the input of the whole, which is left out.
  const node = json.modelTopology.node
    .filter(({ name, op }) => needed.has(name) || op === 'Const')
    .map((each) => (each.op === 'Const' ? { ...each, input: [] } : each.name === CUT.name ? input : each));
  const { outputs } = json.userDefinedMetadata.signature;
  const inputs = { features: { name: `${CUT.name}:0`, dtype: 'DT_FLOAT', tensorShape } };
  const userDefinedMetadata = { ...json.userDefinedMetadata, signature: { inputs, outputs } };
  const modelTopology = { ...json.modelTopology, node };
  return new Map([...files, ['model.json', encode({ ...json, userDefinedMetadata, modelTopology })]]);
}

/** @returns what the layers that stay as they are make of pictures */
export async function toFeatures(
  model: tf.GraphModel,
  set: PictureSet,
  onProgress: (done: number) => void,
): Promise<tf.Tensor> {
  const parts: tf.Tensor[] = [];
  for (let done = 0; done < set.count; done += BATCH_SIZE) {
    const count = Math.min(BATCH_SIZE, set.count - done);
    const run = (): tf.Tensor =>
      model.execute(drawBatch({ ...set, first: set.first + done, count }), CUT.name) as tf.Tensor;
    parts.push(tf.tidy(run));
    onProgress(done + count);
    await tf.nextFrame();
  }
  const all = tf.concat(parts);
  tf.dispose(parts);
  return all;
}

/** @returns pictures as the model takes them */
export function drawBatch({ seed, first, count }: PictureSet): tf.Tensor {
  const pictures = Array.from({ length: count }, (_, i) => drawPicture(seed, first + i));
  const shape = [PICTURE_SIZE, PICTURE_SIZE, 3];
  return tf.stack(pictures.map(({ pixels }) => tf.tensor(pixels, shape)));
}

/**
 * Runs a whole model of the graph on what its lower layers made of pictures, as TensorFlow.js allows.
 *
 * @returns the share of a set that it names rightly
 */
export function measureAccuracy(model: tf.GraphModel, features: tf.Tensor, set: PictureSet): number {
  return tf.tidy(() => {
    const outputs = model.execute({ [CUT.name]: features }, OUTPUT) as tf.Tensor;
    return tf
      .mean(tf.equal(tf.argMax(outputs, -1), tf.tensor1d(labelsOf(set), 'int32')))
      .dataSync()[0] as number;
  });
}
