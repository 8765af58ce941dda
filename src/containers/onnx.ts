import { NeuralDiffError } from '../model/errors.js';
import { checkInside, type ModelFiles } from '../model/model-files.js';
import { openPlacedStore, type PlacedTensor } from '../model/placed-store.js';
import type { WeightStore } from '../model/store.js';
import { checkTensorInfos } from '../model/tensor.js';
import { checkApart } from './file-window.js';
import { invalidOnnx, placeTensor, readExternal, type WireField, WireReader } from './onnx-tensor.js';

/** Field numbers of `ModelProto`, `GraphProto`, `NodeProto` and `AttributeProto`. */
const MODEL = { graph: 7 } as const;
const GRAPH = { node: 1, initializer: 5, sparseInitializer: 15 } as const;
const NODE = { attribute: 5 } as const;
const ATTRIBUTE = { graph: 6, graphs: 11 } as const;

/** Nesting depth of graphs, in branches and loops. */
const MAX_DEPTH = 16;

/**
 * Opens the initialisers of an ONNX model as a store, including those of branches and loops.
 *
 * Raw data, `float_data` and external data are written in place; tensors stored as varints (`int32_data` and
 * similar) are read-only. Initialisers of a nested graph are prefixed with its path, for example `7.1/kernel`
 * for node 7 (from 0), its second graph.
 *
 * Source: the ONNX intermediate representation, version 13 (`onnx.proto`).
 *
 * @param files the folder that holds it; closed with the store
 * @param path the file's name in it
 * @throws NeuralDiffError `bad-model`, `unsupported-model`, `unsafe-path` for external data outside the
 *   folder
 */
export async function openOnnxStore(files: ModelFiles, path: string): Promise<WeightStore> {
  const size = await files.size(path);
  const scan = new Scan(new WireReader(files, path, size), path);
  await scan.model(size);
  checkTensorInfos(scan.tensors);
  for (const { name, extents } of scan.tensors) {
    for (const extent of extents) {
      if (extent.path === path || extent.offset + extent.length <= (await files.size(extent.path))) continue;
      throw invalidOnnx(`tensor "${name}" exceeds "${extent.path}"`);
    }
  }
  checkApart(scan.tensors);
  return openPlacedStore(files, scan.tensors);
}

/** Collects the initialisers of a model. */
class Scan {
  readonly tensors: PlacedTensor[] = [];
  readonly #reader: WireReader;
  readonly #path: string;

  constructor(reader: WireReader, path: string) {
    this.#reader = reader;
    this.#path = path;
  }

  async model(size: number): Promise<void> {
    let graphs = 0;
    for await (const field of this.#reader.fields(0, size)) {
      if (field.field !== MODEL.graph) continue;
      if (++graphs > 1) throw invalidOnnx('expected one graph, got two');
      await this.#graph(field, '', 0);
    }
    if (graphs === 0) throw invalidOnnx('expected a graph');
  }

  async #graph({ wire, start, end }: WireField, prefix: string, depth: number): Promise<void> {
    if (wire !== 2) throw invalidOnnx('invalid graph');
    if (depth > MAX_DEPTH) throw invalidOnnx(`expected graphs nested at most ${MAX_DEPTH} deep`);
    let node = 0;
    for await (const field of this.#reader.fields(start, end)) {
      if (field.field === GRAPH.initializer) {
        if (field.wire !== 2) throw invalidOnnx('invalid initialiser');
        const message = { reader: this.#reader, path: this.#path, start: field.start, end: field.end };
        this.tensors.push(await placeTensor(message, prefix));
      } else if (field.field === GRAPH.node) await this.#node(field, `${prefix}${node++}`, depth);
      else if (field.field === GRAPH.sparseInitializer) {
        throw new NeuralDiffError('unsupported-model', 'Cannot read ONNX model: sparse initialisers');
      }
    }
  }

  async #node({ wire, start, end }: WireField, nodePath: string, depth: number): Promise<void> {
    if (wire !== 2) throw invalidOnnx('invalid node');
    let graph = 0;
    for await (const field of this.#reader.fields(start, end)) {
      if (field.field !== NODE.attribute || field.wire !== 2) continue;
      for await (const part of this.#reader.fields(field.start, field.end)) {
        if (part.field !== ATTRIBUTE.graph && part.field !== ATTRIBUTE.graphs) continue;
        await this.#graph(part, `${nodePath}.${graph++}/`, depth + 1);
      }
    }
  }
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
        if (external.size > 0) found.add(checkInside(external.get('location') ?? ''));
      } else if (kind) await visit(kind, { ...field, depth: depth + 1 });
    }
  };
  await visit('model', { start: 0, end: size, depth: 0 });
  return [...found];
}
