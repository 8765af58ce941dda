import { patchChain } from '../chain/patch-chain.js';
import { NeuralDiffError } from '../model/errors.js';
import { readLayersJson } from '../model/layers-store.js';
import type { ModelFiles } from '../model/model-files.js';
import type { WeightStore } from '../model/store.js';
import { openModelView } from '../node/open-model.js';
import { readPayload } from '../node/read-payload.js';
import type { TrainingJob } from './job.js';

/** The model on the devices. */
export type BaseModel = Pick<TrainingJob, 'base' | 'chain'>;

/** Kinds of models that can be run, and therefore trained and measured. */
export type ModelKind = 'layers-model' | 'graph-model' | 'onnx';

/** A model that can be run. */
export interface OpenBase {
  readonly kind: ModelKind;
  /** Its folder; closed with the store. */
  readonly files: ModelFiles;
  /** Its main file in the folder. */
  readonly file: string;
  readonly store: WeightStore;
}

/**
 * Opens a base model with its chain of payloads applied, in memory only.
 *
 * @returns the model; close its store
 * @throws NeuralDiffError those of a model on disk and of payloads; `unsupported-model` for weights without a
 *   graph; `wrong-base`, `broken-chain`, `wrong-layout`, `result-mismatch` for payloads that do not continue
 *   from the base
 */
export async function openBase({ base, chain = [] }: BaseModel): Promise<OpenBase> {
  const { files, file, format, store } = await openModelView(base);
  try {
    const kind = format === 'tfjs' ? await kindOfJson(files, file) : format;
    if (!isKind(kind)) throw withoutGraph(base, kind);
    const payloads: Uint8Array[] = [];
    for (const path of chain) payloads.push(await readPayload(path));
    if (payloads.length > 0) await patchChain(store, payloads);
    return { kind, files, file, store };
  } catch (error) {
    await store.close();
    throw error;
  }
}

function isKind(kind: string): kind is ModelKind {
  return ['layers-model', 'graph-model', 'onnx'].includes(kind);
}

/** @returns the kind of a `model.json`; converters older than its field `format` write nodes of a graph */
async function kindOfJson(files: ModelFiles, path: string): Promise<ModelKind> {
  const text = new TextDecoder().decode(await readLayersJson(files, path));
  const { format, modelTopology } = JSON.parse(text);
  const isGraph = format === 'graph-model' || Array.isArray(modelTopology?.node);
  return isGraph ? 'graph-model' : 'layers-model';
}

/** Formats of weights alone. */
const WITHOUT_GRAPH: readonly string[] = ['safetensors', 'safetensors-index', 'gguf', 'npy'];

function withoutGraph(base: string, format: string): NeuralDiffError {
  const why = WITHOUT_GRAPH.includes(format) ? 'weights alone have no graph: ' : '';
  const expected = 'a LayersModel, GraphModel or ONNX file';
  const message = `Cannot run model "${base}": ${why}expected ${expected}, got ${format}`;
  return new NeuralDiffError('unsupported-model', message);
}

/**
 * Derives a seed from a base: with the same placement in every update, errors of shared values would add up.
 *
 * @param base fingerprint of the base, as a hexadecimal string
 * @returns 0 to 2^32 - 1
 */
export function seedFor(base: string): number {
  return Number.parseInt(base.slice(0, 8), 16);
}
