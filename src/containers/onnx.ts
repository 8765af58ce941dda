import { checkNamedFiles, type ModelFiles } from '../model/model-files.js';
import { openPlacedStore, type PlacedStore } from '../model/placed-store.js';
import { checkTensorInfos } from '../model/tensor.js';
import { checkApart, checkNotLinked } from './file-window.js';
import { OnnxScan } from './onnx-scan.js';
import { invalidOnnx, readExternal } from './onnx-tensor.js';
import { WireReader } from './wire-reader.js';

/**
 * Opens the weights of an ONNX model as a store: initialisers, and tensors in attributes of nodes (constants
 * among them), also in branches, loops and local functions.
 *
 * Raw data, `float_data` and external data are written in place; tensors stored as varints (`int32_data` and
 * similar) are read-only. `docs/CONTAINERS.md` defines the names.
 *
 * Source: the ONNX intermediate representation, version 13 (`onnx.proto`).
 *
 * @param files the folder that holds it; closed with the store
 * @param path the file's name in it
 * @throws NeuralDiffError `bad-model`, `unsupported-model`, `unsafe-path` for external data outside the
 *   folder
 */
export async function openOnnxStore(files: ModelFiles, path: string): Promise<PlacedStore> {
  const size = await files.size(path);
  const scan = new OnnxScan(new WireReader(files, path, size), path);
  await scan.model(size);
  checkTensorInfos(scan.tensors);
  const external = scan.tensors.filter(({ isExternal }) => isExternal);
  const paths = external.flatMap(({ extents }) => extents.map((extent) => extent.path));
  checkNamedFiles(path, paths);
  await checkNotLinked(files, path, paths);
  for (const { name, extents } of external) {
    for (const { path: data, offset, length } of extents)
      if (offset + length > (await files.size(data))) throw invalidOnnx(`tensor "${name}" exceeds "${data}"`);
  }
  checkApart(scan.tensors);
  return openPlacedStore(files, scan.tensors);
}

/** Types of the fields of each message that may contain tensors. */
const MESSAGES = {
  model: { 7: 'graph', 20: 'training', 25: 'function' },
  training: { 1: 'graph', 2: 'graph' },
  function: { 7: 'node', 11: 'attribute' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  sparse: { 1: 'tensor', 2: 'tensor' },
} as const satisfies Readonly<Record<string, Readonly<Record<number, string>>>>;

type Message = keyof typeof MESSAGES;

/** Nesting depth of messages; a nested graph takes three levels. */
const MAX_MESSAGE_DEPTH = 64;

/** A message in a file. */
interface MessageRange {
  readonly start: number;
  readonly end: number;
  readonly depth: number;
}

/**
 * Lists the external data files of an ONNX model: those of initialisers and of other tensors, in constants
 * and functions for example.
 *
 * @param files the folder that contains the file
 * @param path the file's path in the folder
 * @returns distinct paths in the folder
 * @throws NeuralDiffError `bad-model`; `unsafe-path` for external data outside the folder
 */
export async function listOnnxFiles(files: ModelFiles, path: string): Promise<string[]> {
  const size = await files.size(path);
  const reader = new WireReader(files, path, size);
  const found = new Set<string>();
  const visit = async (message: Message, { start, end, depth }: MessageRange): Promise<void> => {
    if (depth > MAX_MESSAGE_DEPTH)
      throw invalidOnnx(`expected messages nested at most ${MAX_MESSAGE_DEPTH} deep in "${path}"`);
    const inner: Readonly<Record<number, Message | 'tensor'>> = MESSAGES[message];
    for await (const field of reader.fields(start, end)) {
      const kind = field.wire === 2 ? inner[field.field] : undefined;
      if (kind === 'tensor') {
        const external = await readExternal(reader, field);
        if (external.size > 0) found.add(external.get('location') ?? '');
      } else if (kind) await visit(kind, { ...field, depth: depth + 1 });
    }
  };
  await visit('model', { start: 0, end: size, depth: 0 });
  checkNamedFiles(path, found);
  await checkNotLinked(files, path, found);
  return [...found];
}
