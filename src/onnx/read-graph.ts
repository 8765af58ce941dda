import { invalidOnnx, readTensorHead, textOf, varintsOf } from '../containers/onnx-tensor.js';
import { type WireField, WireReader } from '../containers/wire-reader.js';
import { NeuralDiffError } from '../model/errors.js';
import { MAX_TENSORS } from '../model/limits.js';
import type { ModelFiles } from '../model/model-files.js';
import { checkOrder } from './check-order.js';
import {
  type Attribute,
  ELEMENT_TYPES,
  type ElementType,
  type OnnxConstant,
  type OnnxFunction,
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  type OnnxPort,
} from './graph.js';
import { constantOf, functionKey, inlineFunctions } from './inline-functions.js';
import { readAttribute } from './read-attribute.js';

/** Field numbers of the messages that describe a graph. */
const MODEL = { graph: 7, opset: 8, function: 25 } as const;
const FUNCTION = {
  ...{ name: 1, input: 4, output: 5, node: 7, opset: 9, domain: 10, default: 11, overload: 13 },
} as const;
const OPSET = { domain: 1, version: 2 } as const;
const GRAPH = { node: 1, initializer: 5, input: 11, output: 12, sparseInitializer: 15 } as const;
const NODE = { input: 1, output: 2, name: 3, operator: 4, attribute: 5, domain: 7, overload: 8 } as const;
const PORT = { name: 1, type: 2 } as const;
const TYPE = { tensor: 1 } as const;
const TENSOR_TYPE = { element: 1, shape: 2 } as const;
const SHAPE = { size: 1 } as const;
const SIZE = { value: 1 } as const;

/** Fields of a node that are texts. */
const NODE_TEXTS: ReadonlySet<number> = new Set([NODE.name, NODE.operator, NODE.domain, NODE.overload]);

/** Nesting depth of graphs, in branches and loops. */
const MAX_DEPTH = 16;

/** Nodes of all graphs of a model: the largest published ones have some ten thousand. */
const MAX_NODES = 2 ** 18;

/** Names of inputs and outputs in a model: some for each node. */
const MAX_NAMES = 2 ** 20;

/** Dimensions of an input or output. */
const MAX_SIZES = 64;

/**
 * Reads the graph of an ONNX model, with its local functions inlined; values of constants stay in its store,
 * which `openContainer` opens.
 *
 * Source: the ONNX intermediate representation, version 13 (`onnx.proto`).
 *
 * @param files the folder that holds it
 * @param path the file's name in it
 * @throws NeuralDiffError `bad-model`; `unsupported-model` for what has no meaning here: sparse tensors,
 *   lists of graphs, functions for other versions of operators than the model's
 */
export async function readOnnxModel(files: ModelFiles, path: string): Promise<OnnxModel> {
  const size = await files.size(path);
  const reader = new GraphReader(new WireReader(files, path, size));
  const model = await reader.model(size);
  checkOrder(model.graph);
  return model;
}

/** A graph's place in the model: what the names of its tensors in the store start with. */
interface Place {
  readonly prefix: string;
  readonly depth: number;
  /** Whether attributes may stand for those of a function. */
  readonly isInFunction: boolean;
}

/** Nodes and constants that are being read. */
interface GraphBody {
  readonly nodes: OnnxNode[];
  readonly constants: Map<string, OnnxConstant>;
}

/** What a node's message holds before its attributes are read. */
interface NodeDraft {
  readonly texts: Map<number, string>;
  readonly inputs: string[];
  readonly outputs: string[];
  readonly attributes: WireField[];
}

class GraphReader {
  readonly #reader: WireReader;
  #nodes = 0;
  #names = 0;
  #tensors = 0;

  constructor(reader: WireReader) {
    this.#reader = reader;
  }

  async model(size: number): Promise<OnnxModel> {
    const opsets = new Map<string, number>();
    const functions: WireField[] = [];
    let graph: WireField | undefined;
    for await (const field of this.#reader.fields(0, size)) {
      if (field.field === MODEL.function) functions.push(field);
      else if (field.field === MODEL.opset) await this.#addOpset(opsets, field);
      else if (field.field === MODEL.graph) {
        if (graph) throw invalidOnnx('expected one graph, got two');
        graph = field;
      }
    }
    if (!graph) throw invalidOnnx('expected a graph');
    const place = { prefix: '', depth: 0, isInFunction: false };
    const model = { graph: await this.#graph(graph, place), opsets };
    return inlineFunctions(model, await this.#functions(functions));
  }

  async #functions(fields: readonly WireField[]): Promise<Map<string, OnnxFunction>> {
    const functions = new Map<string, OnnxFunction>();
    for (const field of fields) {
      const { key, called } = await this.#function(field);
      if (functions.has(key)) throw invalidOnnx(`two functions are called "${called.id}"`);
      functions.set(key, called);
    }
    return functions;
  }

  async #function(field: WireField): Promise<{ key: string; called: OnnxFunction }> {
    const texts = new Map<number, string>();
    const opsets = new Map<string, number>();
    const [inputs, outputs]: [string[], string[]] = [[], []];
    const [nodeFields, defaultFields]: [WireField[], WireField[]] = [[], []];
    for await (const part of this.#reader.fields(...messageOf(field, 'function'))) {
      const { field: number } = part;
      if (number === FUNCTION.input) inputs.push(await this.#name(part));
      else if (number === FUNCTION.output) outputs.push(await this.#name(part));
      else if (number === FUNCTION.node) nodeFields.push(part);
      else if (number === FUNCTION.default) defaultFields.push(part);
      else if (number === FUNCTION.opset) await this.#addOpset(opsets, part);
      else if (number === FUNCTION.name || number === FUNCTION.domain || number === FUNCTION.overload)
        texts.set(number, await textOf(part, this.#reader));
    }
    const [domain = '', op = '', overload] = [FUNCTION.domain, FUNCTION.name, FUNCTION.overload].map(
      (number) => texts.get(number) || undefined,
    );
    const id = overload === undefined ? `${domain}:${op}` : `${domain}:${op}:${overload}`;
    const place = { prefix: `${id}/`, depth: 0, isInFunction: true };
    const body: GraphBody = { nodes: [], constants: new Map() };
    for (const [index, part] of nodeFields.entries()) await this.#addNode(body, part, { ...place, index });
    const defaults = await this.#defaults(defaultFields, id);
    const called = { id, inputs, outputs, defaults, opsets, body };
    return { key: functionKey({ op, domain: domainOf(domain), overload }), called };
  }

  async #defaults(fields: readonly WireField[], id: string): Promise<Map<string, Attribute>> {
    const defaults = new Map<string, Attribute>();
    for (const field of fields) {
      const { name, value } = await readAttribute(this.#reader, field, {
        tensor: async (part, attribute) => {
          const { name: _, ...constant } = await this.#tensor(part, () => `${id}/@${attribute}`);
          return constant;
        },
        graph: (part) => this.#graph(part, { prefix: `${id}/@.0/`, depth: 1, isInFunction: false }),
      });
      if (value === undefined || defaults.has(name))
        throw invalidOnnx(`function "${id}" has no value, or two, for its attribute "${name}"`);
      defaults.set(name, value);
    }
    return defaults;
  }

  async #addOpset(opsets: Map<string, number>, field: WireField): Promise<void> {
    const { domain, version } = await this.#opset(field);
    if (opsets.has(domain)) throw invalidOnnx(`two versions of the operators of domain "${domain}"`);
    opsets.set(domain, version);
  }

  async #opset(field: WireField): Promise<{ domain: string; version: number }> {
    const opset = { domain: '', version: 0 };
    for await (const part of this.#reader.fields(...messageOf(field, 'opset'))) {
      if (part.field === OPSET.domain) opset.domain = domainOf(await textOf(part, this.#reader));
      else if (part.field === OPSET.version) opset.version = Number(part.value);
    }
    return opset;
  }

  async #graph(field: WireField, place: Place): Promise<OnnxGraph> {
    if (place.depth > MAX_DEPTH) throw invalidOnnx(`expected graphs nested at most ${MAX_DEPTH} deep`);
    const nodes: OnnxNode[] = [];
    const constants = new Map<string, OnnxConstant>();
    const [inputs, outputs]: [OnnxPort[], OnnxPort[]] = [[], []];
    let index = 0;
    for await (const part of this.#reader.fields(...messageOf(field, 'graph'))) {
      if (part.field === GRAPH.node)
        await this.#addNode({ nodes, constants }, part, { ...place, index: index++ });
      else if (part.field === GRAPH.initializer) {
        const { name, ...constant } = await this.#tensor(part, (name) => `${place.prefix}${name}`);
        addConstant(constants, name, constant);
      } else if (part.field === GRAPH.sparseInitializer) throw unsupported('', 'sparse initialisers');
      else if (part.field === GRAPH.input) inputs.push(await this.#port(part));
      else if (part.field === GRAPH.output) outputs.push(await this.#port(part));
    }
    // Files of the first versions list initialisers as inputs, too.
    return { nodes, constants, inputs: inputs.filter(({ name }) => !constants.has(name)), outputs };
  }

  async #addNode(
    { nodes, constants }: GraphBody,
    field: WireField,
    place: Place & { index: number },
  ): Promise<void> {
    const node = await this.#node(field, place);
    const constant = constantOf(node);
    // What the store lists as if it were an initialiser.
    if (constant) addConstant(constants, node.outputs[0] as string, constant);
    else nodes.push(node);
  }

  async #tensor(
    field: WireField,
    storedAs: (name: string) => string,
  ): Promise<OnnxConstant & { name: string }> {
    if (field.wire !== 2) throw invalidOnnx('invalid tensor');
    if (++this.#tensors > MAX_TENSORS) throw invalidOnnx(`expected at most ${MAX_TENSORS} tensors`);
    const { name, type: number, shape } = await readTensorHead(this.#reader, field);
    const stored = storedAs(name);
    const type = elementType(number);
    if (type === undefined) throw unsupported(` tensor "${stored}" of the`, `data type ${number}`);
    return { name, type, shape, stored };
  }

  async #node(field: WireField, place: Place & { index: number }): Promise<OnnxNode> {
    if (++this.#nodes > MAX_NODES) throw invalidOnnx(`expected at most ${MAX_NODES} nodes`);
    const draft = await this.#draft(field);
    const { texts, inputs, outputs } = draft;
    const node = {
      op: texts.get(NODE.operator) ?? '',
      domain: domainOf(texts.get(NODE.domain) ?? ''),
      name: texts.get(NODE.name) || `#${place.index}`,
      inputs,
      outputs,
      overload: texts.get(NODE.overload) || undefined,
    };
    if (node.op === '') throw invalidOnnx(`node "${node.name}" has no operator`);
    return { ...node, ...(await this.#attributes(draft.attributes, node, place)) };
  }

  async #draft(field: WireField): Promise<NodeDraft> {
    const draft: NodeDraft = { texts: new Map(), inputs: [], outputs: [], attributes: [] };
    for await (const part of this.#reader.fields(...messageOf(field, 'node'))) {
      const { field: number } = part;
      if (number === NODE.attribute) draft.attributes.push(part);
      else if (number === NODE.input) draft.inputs.push(await this.#name(part));
      else if (number === NODE.output) draft.outputs.push(await this.#name(part));
      else if (NODE_TEXTS.has(number)) {
        if (draft.texts.has(number)) throw invalidOnnx('a node has two names, domains or operators');
        draft.texts.set(number, await textOf(part, this.#reader));
      }
    }
    return draft;
  }

  async #name(field: WireField): Promise<string> {
    if (++this.#names > MAX_NAMES) throw invalidOnnx(`expected at most ${MAX_NAMES} names of values`);
    return textOf(field, this.#reader);
  }

  async #attributes(
    fields: readonly WireField[],
    node: Omit<OnnxNode, 'attributes'>,
    { prefix, index, depth, isInFunction }: Place & { index: number },
  ): Promise<Pick<OnnxNode, 'attributes' | 'references'>> {
    const attributes = new Map<string, Attribute>();
    const references = new Map<string, string>();
    const [output = ''] = node.outputs;
    const path = `${prefix}${index}`;
    let graphs = 0;
    const parts = {
      tensor: async (field: WireField, attribute: string) => {
        const owner = output === '' ? path : `${prefix}${output}`;
        const isConstant = node.op === 'Constant' && attribute === 'value' && output !== '';
        const { name: _, ...constant } = await this.#tensor(field, () =>
          isConstant ? owner : `${owner}@${attribute}`,
        );
        return constant;
      },
      graph: (field: WireField) =>
        this.#graph(field, { prefix: `${path}.${graphs++}/`, depth: depth + 1, isInFunction }),
    };
    for (const field of fields) {
      const { name, value, reference } = await readAttribute(this.#reader, field, parts);
      if (attributes.has(name) || references.has(name))
        throw invalidOnnx(`node "${node.name}" has two attributes "${name}"`);
      if (value !== undefined) attributes.set(name, value);
      else if (isInFunction) references.set(name, reference);
      else throw invalidOnnx(`node "${node.name}" refers to an attribute of a function`);
    }
    return { attributes, references: references.size > 0 ? references : undefined };
  }

  async #port(field: WireField): Promise<OnnxPort> {
    let name = '';
    let type: WireField | undefined;
    for await (const part of this.#reader.fields(...messageOf(field, 'input or output'))) {
      if (part.field === PORT.name) name = await this.#name(part);
      else if (part.field === PORT.type) type = part;
    }
    const port: OnnxPort = { name, type: undefined, shape: undefined };
    if (!type) return port;
    for await (const part of this.#reader.fields(...messageOf(type, 'type'))) {
      if (part.field === TYPE.tensor) return { ...port, ...(await this.#tensorType(part)) };
    }
    return port;
  }

  async #tensorType(field: WireField): Promise<Pick<OnnxPort, 'type' | 'shape'>> {
    let type: ElementType | undefined;
    let shape: (number | null)[] | undefined;
    for await (const part of this.#reader.fields(...messageOf(field, 'type'))) {
      if (part.field === TENSOR_TYPE.element) type = elementType(Number(part.value));
      else if (part.field === TENSOR_TYPE.shape) shape = await this.#shape(part);
    }
    return { type, shape };
  }

  async #shape(field: WireField): Promise<(number | null)[]> {
    const shape: (number | null)[] = [];
    for await (const part of this.#reader.fields(...messageOf(field, 'shape'))) {
      if (part.field !== SHAPE.size) continue;
      if (shape.length >= MAX_SIZES) throw invalidOnnx(`expected at most ${MAX_SIZES} sizes in a shape`);
      shape.push(await this.#size(part));
    }
    return shape;
  }

  /** @returns a size; null if it is symbolic, unknown or, as some writers put it, not above 0 */
  async #size(field: WireField): Promise<number | null> {
    let size: number | null = null;
    for await (const part of this.#reader.fields(...messageOf(field, 'size'))) {
      if (part.field === SIZE.value) size = Number((await varintsOf(part, this.#reader, 1))[0]);
    }
    return size !== null && Number.isSafeInteger(size) && size > 0 ? size : null;
  }
}

function addConstant(constants: Map<string, OnnxConstant>, name: string, constant: OnnxConstant): void {
  if (constants.has(name)) throw invalidOnnx(`two values have the name "${name}"`);
  constants.set(name, constant);
}

/** @returns the offsets of a message */
function messageOf({ wire, start, end }: WireField, what: string): [number, number] {
  if (wire !== 2) throw invalidOnnx(`invalid ${what}`);
  return [start, end];
}

/** @returns the domain; empty for the standard operators, which have two names for it */
function domainOf(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain;
}

function elementType(number: number): ElementType | undefined {
  return (ELEMENT_TYPES as Readonly<Record<number, ElementType>>)[number];
}

function unsupported(where: string, what: string): NeuralDiffError {
  return new NeuralDiffError('unsupported-model', `Cannot read${where} ONNX model: unsupported ${what}`);
}
