import { NeuralDiffError } from '../model/errors.js';
import { checkInside, type ModelFiles } from '../model/model-files.js';
import { openPlacedStore, type PlacedTensor } from '../model/placed-store.js';
import type { WeightStore } from '../model/store.js';
import { checkTensorInfos } from '../model/tensor.js';
import { checkApart } from './file-window.js';
import { placeTensor, readExternal, type WireField, WireReader } from './onnx-tensor.js';

/** Numbers of fields: of a model, a graph, a node, an attribute. */
const MODEL = { graph: 7 } as const;
const GRAPH = { node: 1, initializer: 5, sparseInitializer: 15 } as const;
const NODE = { attribute: 5 } as const;
const ATTRIBUTE = { graph: 6, graphs: 11 } as const;

/** Graphs within graphs: branches and loops. */
const MAX_DEPTH = 16;

/**
 * Opens the initialisers of an ONNX model as a store, those of branches and loops too. Raw data, `float_data` and
 * external data are written in place; what is kept as varints (`int32_data` and its like) can be read only.
 *
 * Source: the ONNX intermediate representation, version 13 (`onnx.proto`). Initialisers of a graph within a node are
 * named after its path, as in `7.1/kernel`: the 7th node from 0, its second graph.
 *
 * @param files the folder that holds it; closed with the store
 * @param path the file's name in it
 * @throws NeuralDiffError `bad-model`, `unsupported-model`, `unsafe-path` for external data elsewhere
 */
export async function openOnnxStore(files: ModelFiles, path: string): Promise<WeightStore> {
  const size = await files.size(path);
  const walk = new Walk(new WireReader(files, path, size), path);
  await walk.model(size);
  checkTensorInfos(walk.tensors);
  for (const { name, extents } of walk.tensors) {
    for (const extent of extents) {
      if (extent.path === path || extent.offset + extent.length <= (await files.size(extent.path))) continue;
      throw bad(`tensor "${name}" lies beyond the end of "${extent.path}"`);
    }
  }
  checkApart(walk.tensors);
  return openPlacedStore(files, walk.tensors);
}

class Walk {
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
      if (++graphs > 1) throw bad('it has two graphs');
      await this.#graph(field, '', 0);
    }
    if (graphs === 0) throw bad('it has no graph');
  }

  async #graph({ wire, start, end }: WireField, prefix: string, depth: number): Promise<void> {
    if (wire !== 2) throw bad('a graph is none');
    if (depth > MAX_DEPTH) throw bad(`graphs lie more than ${MAX_DEPTH} deep in each other`);
    let node = 0;
    for await (const field of this.#reader.fields(start, end)) {
      if (field.field === GRAPH.initializer) {
        if (field.wire !== 2) throw bad('an initialiser is none');
        const place = { reader: this.#reader, path: this.#path, start: field.start, end: field.end };
        this.tensors.push(await placeTensor(place, prefix));
      } else if (field.field === GRAPH.node) await this.#node(field, `${prefix}${node++}`, depth);
      else if (field.field === GRAPH.sparseInitializer) {
        throw new NeuralDiffError('unsupported-model', 'Cannot read ONNX model: it has sparse initialisers');
      }
    }
  }

  async #node({ wire, start, end }: WireField, place: string, depth: number): Promise<void> {
    if (wire !== 2) throw bad('a node is none');
    let graph = 0;
    for await (const field of this.#reader.fields(start, end)) {
      if (field.field !== NODE.attribute || field.wire !== 2) continue;
      for await (const part of this.#reader.fields(field.start, field.end)) {
        if (part.field !== ATTRIBUTE.graph && part.field !== ATTRIBUTE.graphs) continue;
        await this.#graph(part, `${place}.${graph++}/`, depth + 1);
      }
    }
  }
}

function bad(what: string): NeuralDiffError {
  return new NeuralDiffError('bad-model', `Cannot read ONNX model: ${what}`);
}

/** Which messages the fields of a message hold, as far as tensors may lie in them. */
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

/** Messages within messages; a graph within a graph takes three. */
const MAX_MESSAGE_DEPTH = 64;

/** A message in a file. */
interface Place {
  readonly start: number;
  readonly end: number;
  readonly depth: number;
}

/**
 * Lists the files of external data that an ONNX model names: those of its initialisers, and of all else that may hold tensors, as
 * constants and functions do.
 *
 * @param files the folder that holds it
 * @param path the file's name in it
 * @returns paths in the folder, each once
 * @throws NeuralDiffError `bad-model`; `unsafe-path` for external data elsewhere
 */
export async function listOnnxFiles(files: ModelFiles, path: string): Promise<string[]> {
  const size = await files.size(path);
  const reader = new WireReader(files, path, size);
  const found = new Set<string>();
  const visit = async (message: Message, { start, end, depth }: Place): Promise<void> => {
    if (depth > MAX_MESSAGE_DEPTH) throw tooDeep(path);
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

function tooDeep(path: string): NeuralDiffError {
  const message = `Cannot read "${path}" as ONNX: messages lie more than ${MAX_MESSAGE_DEPTH} deep in each other`;
  return new NeuralDiffError('bad-model', message);
}
