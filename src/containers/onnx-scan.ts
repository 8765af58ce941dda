import { NeuralDiffError } from '../model/errors.js';
import { MAX_TENSORS } from '../model/limits.js';
import { invalidOnnx, type OnnxTensor, placeTensor, TEXT_TYPE, textOf, typeOfTensor } from './onnx-tensor.js';
import type { WireField, WireReader } from './wire-reader.js';

/**
 * Field numbers of `ModelProto`, `GraphProto`, `FunctionProto`, `NodeProto` and `AttributeProto`, as far as
 * they lead to tensors or name them.
 */
const MODEL = { graph: 7, function: 25 } as const;
const GRAPH = { node: 1, initializer: 5, sparseInitializer: 15 } as const;
const FUNCTION = { name: 1, node: 7, domain: 10, attribute: 11, overload: 13 } as const;
const NODE = { output: 2, operator: 4, attribute: 5 } as const;
const ATTRIBUTE = { name: 1, tensor: 5, graph: 6, tensors: 10, graphs: 11, sparse: 22, sparses: 23 } as const;

/** Nesting depth of graphs, in branches and loops. */
const MAX_DEPTH = 16;

/** Bytes of all tensors that are stored as varints, which are held in memory. */
const MAX_FIXED_BYTES = 2 ** 24;

/** A node, or a function's list of attributes: the names of the tensors in its attributes derive from it. */
interface Owner {
  /** Prefix of graphs within it, such as `7` or `2.0/7`. */
  readonly path: string;
  readonly depth: number;
  /** Names a tensor of an attribute; reads the owner when it is first called. */
  nameOf(attribute: string): Promise<string>;
}

/** Collects the tensors of a model: initialisers, and tensors in attributes. */
export class OnnxScan {
  readonly tensors: OnnxTensor[] = [];
  readonly #reader: WireReader;
  readonly #path: string;
  #fixedBytes = 0;

  /** @param path the model file's path in its folder */
  constructor(reader: WireReader, path: string) {
    this.#reader = reader;
    this.#path = path;
  }

  /** Scans a whole file of `size` bytes. */
  async model(size: number): Promise<void> {
    let graphs = 0;
    for await (const field of this.#reader.fields(0, size)) {
      if (field.field === MODEL.function) await this.#function(field);
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
      if (field.field === GRAPH.initializer) await this.#add(field, async (name) => `${prefix}${name}`);
      else if (field.field === GRAPH.node) await this.#node(field, { prefix, index: node++, depth });
      else if (field.field === GRAPH.sparseInitializer) throw unsupported('sparse initialisers');
    }
  }

  /** Scans a local function. Its tensors are prefixed with its identifier: `domain:name[:overload]/`. */
  async #function(field: WireField): Promise<void> {
    if (field.wire !== 2) throw invalidOnnx('invalid function');
    const prefix = await this.#functionPrefix(field);
    const defaults = { path: `${prefix}@`, depth: 0, nameOf: async (name: string) => `${prefix}@${name}` };
    let node = 0;
    for await (const part of this.#reader.fields(field.start, field.end)) {
      if (part.field === FUNCTION.node) await this.#node(part, { prefix, index: node++, depth: 0 });
      else if (part.field === FUNCTION.attribute) await this.#attribute(part, defaults, 0);
    }
  }

  async #functionPrefix({ start, end }: WireField): Promise<string> {
    const texts = await this.#texts({ start, end }, [FUNCTION.domain, FUNCTION.name, FUNCTION.overload]);
    const [domain = '', name = '', overload = ''] = texts;
    return overload === '' ? `${domain}:${name}/` : `${domain}:${name}:${overload}/`;
  }

  async #node(
    { wire, start, end }: WireField,
    { prefix, index, depth }: { prefix: string; index: number; depth: number },
  ): Promise<void> {
    if (wire !== 2) throw invalidOnnx('invalid node');
    const path = `${prefix}${index}`;
    let head: Promise<string[]> | undefined;
    const nameOf = async (attribute: string): Promise<string> => {
      head ??= this.#texts({ start, end }, [NODE.output, NODE.operator]);
      const [output = '', operator] = await head;
      // What a constant gives has the name of its output, as if it were an initialiser.
      if (operator === 'Constant' && attribute === 'value' && output !== '') return `${prefix}${output}`;
      return output === '' ? `${path}@${attribute}` : `${prefix}${output}@${attribute}`;
    };
    let graphs = 0;
    for await (const field of this.#reader.fields(start, end)) {
      if (field.field === NODE.attribute && field.wire === 2)
        graphs = await this.#attribute(field, { path, depth, nameOf }, graphs);
    }
  }

  /**
   * @param graphs number of graphs in the owner's attributes before this one
   * @returns their number including this attribute's
   */
  async #attribute(attribute: WireField, owner: Owner, graphs: number): Promise<number> {
    let [graph, listed] = [graphs, 0];
    let name: Promise<string[]> | undefined;
    for await (const part of this.#reader.fields(attribute.start, attribute.end)) {
      if (part.field === ATTRIBUTE.graph || part.field === ATTRIBUTE.graphs)
        await this.#graph(part, `${owner.path}.${graph++}/`, owner.depth + 1);
      else if (part.field === ATTRIBUTE.sparse || part.field === ATTRIBUTE.sparses)
        throw unsupported('sparse tensors in attributes');
      else if (part.field === ATTRIBUTE.tensor || part.field === ATTRIBUTE.tensors) {
        const suffix = part.field === ATTRIBUTE.tensors ? `.${listed++}` : '';
        // Texts are no weights.
        if (part.wire === 2 && (await typeOfTensor(this.#reader, part)) === TEXT_TYPE) continue;
        name ??= this.#texts(attribute, [ATTRIBUTE.name]);
        const [stored = ''] = await name;
        await this.#add(part, () => owner.nameOf(`${stored}${suffix}`));
      }
    }
    return graph;
  }

  async #add({ wire, start, end }: WireField, nameOf: (stored: string) => Promise<string>): Promise<void> {
    if (wire !== 2) throw invalidOnnx('invalid tensor');
    if (this.tensors.length >= MAX_TENSORS) throw invalidOnnx(`expected at most ${MAX_TENSORS} tensors`);
    const message = { reader: this.#reader, path: this.#path, start, end };
    const tensor = await placeTensor(message, nameOf);
    this.#fixedBytes += tensor.fixed?.length ?? 0;
    if (this.#fixedBytes > MAX_FIXED_BYTES)
      throw unsupported(`more than ${MAX_FIXED_BYTES} bytes of tensors stored as varints`);
    this.tensors.push(tensor);
  }

  /** @returns the first value of each of some text fields of a message; empty for an absent one */
  async #texts(
    { start, end }: Pick<WireField, 'start' | 'end'>,
    fields: readonly number[],
  ): Promise<string[]> {
    const found = new Map<number, string>();
    for await (const field of this.#reader.fields(start, end)) {
      if (!fields.includes(field.field) || found.has(field.field)) continue;
      found.set(field.field, await textOf(field, this.#reader));
      if (found.size === fields.length) break;
    }
    return fields.map((field) => found.get(field) ?? '');
  }
}

function unsupported(what: string): NeuralDiffError {
  return new NeuralDiffError('unsupported-model', `Cannot read ONNX model: ${what}`);
}
