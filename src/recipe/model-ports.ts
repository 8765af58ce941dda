import { NeuralDiffError } from '../model/errors.js';
import { readLayersJson } from '../model/layers-store.js';
import type { ModelFiles } from '../model/model-files.js';
import type { OnnxPort } from '../onnx/graph.js';
import { readOnnxModel } from '../onnx/read-graph.js';
import { readShape } from '../tfjs/graph/graph-nodes.js';
import { type OpenBase, openBase } from './open-base.js';

/** An input or output of a model. */
export interface ModelPort {
  readonly name: string;
  /** Undefined where the file does not tell. */
  readonly dtype: string | undefined;
  /** Null for any size; undefined where the file does not tell the rank. */
  readonly shape: readonly (number | null)[] | undefined;
}

export interface ModelPorts {
  readonly inputs: readonly ModelPort[];
  readonly outputs: readonly ModelPort[];
}

/**
 * Lists what an ONNX file or a GraphModel takes and gives.
 *
 * @param path the model on disk
 * @returns undefined for other models, and for files that do not tell
 */
export async function readPorts(path: string): Promise<ModelPorts | undefined> {
  try {
    const { store, ...base } = await openBase({ base: path });
    return await portsOf(base).finally(() => store.close());
  } catch (error) {
    if (error instanceof NeuralDiffError) return undefined;
    throw error;
  }
}

async function portsOf({ kind, files, file }: Omit<OpenBase, 'store'>): Promise<ModelPorts | undefined> {
  if (kind === 'graph-model') return signaturePorts(files, file);
  if (kind !== 'onnx') return undefined;
  const { inputs, outputs } = (await readOnnxModel(files, file)).graph;
  const describe = ({ name, type, shape }: OnnxPort): ModelPort => ({ name, dtype: type, shape });
  return { inputs: inputs.map(describe), outputs: outputs.map(describe) };
}

/** A port in the signature of a `model.json`: protocol buffers of TensorFlow as JSON. */
interface SignaturePort {
  readonly dtype?: string;
  readonly tensorShape?: Parameters<typeof readShape>[0];
  readonly resourceId?: unknown;
}

type Signature = Readonly<Record<'inputs' | 'outputs', Readonly<Record<string, SignaturePort>> | undefined>>;

async function signaturePorts(files: ModelFiles, path: string): Promise<ModelPorts | undefined> {
  const json = JSON.parse(new TextDecoder().decode(await readLayersJson(files, path)));
  const signature: Signature | undefined = json.signature ?? json.userDefinedMetadata?.signature;
  if (!signature?.inputs || !signature.outputs) return undefined;
  return { inputs: listPorts(signature.inputs), outputs: listPorts(signature.outputs) };
}

/** State of the model, which has a resource, is nothing that a caller passes. */
function listPorts(ports: Readonly<Record<string, SignaturePort>>): ModelPort[] {
  const passed = Object.entries(ports).filter(([, { resourceId }]) => resourceId === undefined);
  return passed.map(([name, { dtype, tensorShape }]) => {
    return { name, dtype: DTYPES[dtype ?? ''], shape: readShape(tensorShape) };
  });
}

/** Names of TensorFlow's types that models take and give. */
const DTYPES: Readonly<Record<string, string>> = {
  DT_FLOAT: 'float32',
  DT_INT32: 'int32',
  DT_BOOL: 'bool',
  DT_STRING: 'string',
};
