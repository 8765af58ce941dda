import { invalidOnnx } from '../containers/onnx-tensor.js';
import { NeuralDiffError } from '../model/errors.js';
import type { Attribute, OnnxConstant, OnnxFunction, OnnxGraph, OnnxModel, OnnxNode } from './graph.js';
import { isGraph } from './walk.js';

/** Nesting depth of calls. */
const MAX_CALLS = 64;

/** Characters of the names of nodes and values, with some for each: functions that call others multiply. */
const MAX_CHARACTERS = 2 ** 25;
const NAME_CHARACTERS = 16;

/** What tells functions apart. */
export function functionKey({
  domain,
  op,
  overload = '',
}: Pick<OnnxNode, 'domain' | 'op' | 'overload'>): string {
  return JSON.stringify([domain, op, overload]);
}

/** @returns the tensor that a node gives as its only value; undefined for other nodes */
export function constantOf({ op, domain, outputs, attributes }: OnnxNode): OnnxConstant | undefined {
  const value = attributes.get('value');
  const isConstant = domain === '' && op === 'Constant' && outputs[0];
  return isConstant && typeof value === 'object' && 'stored' in value ? value : undefined;
}

/**
 * Replaces each call of a local function by the function's nodes. Names of nodes and values in them start
 * with the call's name. A tensor in a function is one constant with several names: all calls share it.
 *
 * Source: the ONNX intermediate representation, version 13 ("Functions").
 *
 * @param functions by `functionKey`
 * @throws NeuralDiffError `bad-model` for functions that call themselves, and calls that do not fit;
 *   `unsupported-model` for functions for other versions of operators than the model's
 */
export function inlineFunctions(model: OnnxModel, functions: ReadonlyMap<string, OnnxFunction>): OnnxModel {
  return functions.size === 0 ? model : new Inliner(functions, model).model();
}

/** Nodes and constants that are being put together. */
interface Body {
  readonly nodes: OnnxNode[];
  readonly constants: Map<string, OnnxConstant>;
}

/** Where nodes come from. */
interface Frame {
  /** What names of nodes start with. */
  readonly prefix: string;
  /** Names of the values of a call; undefined for the model's own graphs, which keep theirs. */
  readonly names: Names | undefined;
  /** The call's attributes. */
  readonly attributes: ReadonlyMap<string, Attribute>;
}

class Inliner {
  readonly #functions: ReadonlyMap<string, OnnxFunction>;
  readonly #graph: OnnxGraph;
  readonly #opsets: Map<string, number>;
  /** Functions that the current node is in. */
  readonly #calls: OnnxFunction[] = [];
  readonly #taken: TakenNames;

  constructor(functions: ReadonlyMap<string, OnnxFunction>, { graph, opsets }: OnnxModel) {
    this.#functions = functions;
    this.#graph = graph;
    this.#opsets = new Map(opsets);
    this.#taken = new TakenNames();
    addNames(graph, this.#taken);
  }

  model(): OnnxModel {
    const frame = { prefix: '', names: undefined, attributes: new Map() };
    return { graph: this.#inGraph(this.#graph, frame), opsets: this.#opsets };
  }

  #inGraph(graph: OnnxGraph, outer: Frame): OnnxGraph {
    const frame = { ...outer, names: outer.names?.inner() };
    const inputs = graph.inputs.map((port) => ({ ...port, name: define(port.name, frame) }));
    const body: Body = {
      nodes: [],
      constants: new Map([...graph.constants].map(([name, each]) => [define(name, frame), each])),
    };
    for (const node of graph.nodes) this.#add(node, frame, body);
    const outputs = graph.outputs.map((port) => ({ ...port, name: use(port.name, frame) }));
    return { ...body, inputs, outputs };
  }

  #add(node: OnnxNode, frame: Frame, body: Body): void {
    const called = this.#functions.get(functionKey(node));
    const own = this.#rename(node, frame);
    const constant = constantOf(own);
    if (called) this.#call(own, called, body);
    else if (constant) addConstant(body, own.outputs[0] as string, constant);
    else body.nodes.push(own);
  }

  /** @returns a node with the names and attributes that it has in a call */
  #rename(node: OnnxNode, frame: Frame): OnnxNode {
    const attributes = new Map<string, Attribute>();
    for (const [name, value] of node.attributes)
      attributes.set(name, isGraph(value) ? this.#inGraph(value, frame) : value);
    for (const [name, reference] of node.references ?? []) {
      const value = frame.attributes.get(reference);
      if (value !== undefined) attributes.set(name, value);
    }
    const name = `${frame.prefix}${node.name}`;
    this.#taken.count(name);
    const inputs = node.inputs.map((each) => use(each, frame));
    const outputs = node.outputs.map((each) => define(each, frame));
    return { op: node.op, domain: node.domain, name, inputs, outputs, attributes };
  }

  #call(node: OnnxNode, called: OnnxFunction, body: Body): void {
    this.#check(node, called);
    const prefix = `${node.name}/`;
    const names = new Names(prefix, this.#taken);
    for (const [i, name] of called.inputs.entries()) names.set(name, node.inputs[i] ?? '');
    // Outputs that are inputs, or that another output is, too.
    const copies: [string, string][] = [];
    for (const [i, name] of called.outputs.entries()) {
      const output = node.outputs[i] ?? '';
      if (output === '') continue;
      if (names.has(name)) copies.push([name, output]);
      else names.set(name, output);
    }
    const frame = { prefix, names, attributes: new Map([...called.defaults, ...node.attributes]) };
    this.#calls.push(called);
    for (const [name, constant] of called.body.constants) addConstant(body, names.define(name), constant);
    for (const each of called.body.nodes) this.#add(each, frame, body);
    this.#calls.pop();
    for (const [name, output] of copies)
      body.nodes.push({ ...identity(names.use(name), output), name: `${prefix}${name}` });
  }

  #check(node: OnnxNode, { id, inputs, outputs, opsets }: OnnxFunction): void {
    if (this.#calls.some((each) => each.id === id)) throw invalidOnnx(`function "${id}" calls itself`);
    if (this.#calls.length >= MAX_CALLS)
      throw invalidOnnx(`expected calls of functions nested at most ${MAX_CALLS} deep`);
    if (node.inputs.length > inputs.length || node.outputs.length > outputs.length)
      throw invalidOnnx(
        `node "${node.name}" has more inputs or outputs than function "${id}", which it calls`,
      );
    for (const [domain, version] of opsets) {
      const known = this.#opsets.get(domain) ?? version;
      this.#opsets.set(domain, known);
      if (known === version) continue;
      const message = `Cannot read ONNX model: function "${id}" has operators of domain "${domain}" in version ${version}, expected ${known}, as in the rest of the model; inline the functions when you export it`;
      throw new NeuralDiffError('unsupported-model', message);
    }
  }
}

function use(name: string, { names }: Frame): string {
  return names ? names.use(name) : name;
}

function define(name: string, { names }: Frame): string {
  return names ? names.define(name) : name;
}

function identity(input: string, output: string): Omit<OnnxNode, 'name'> {
  return { op: 'Identity', domain: '', inputs: [input], outputs: [output], attributes: new Map() };
}

function addConstant({ constants }: Body, name: string, constant: OnnxConstant): void {
  if (constants.has(name)) throw invalidOnnx(`two values have the name "${name}"`);
  constants.set(name, constant);
}

function addNames(graph: OnnxGraph, taken: TakenNames): void {
  for (const { name } of graph.inputs) taken.add(name);
  for (const name of graph.constants.keys()) taken.add(name);
  for (const { outputs, attributes } of graph.nodes) {
    for (const name of outputs) taken.add(name);
    for (const value of attributes.values()) if (isGraph(value)) addNames(value, taken);
  }
}

/** The names of all values of a model. */
class TakenNames {
  readonly #names = new Set<string>();
  /** Numbers to try next, by name. */
  readonly #numbers = new Map<string, number>();
  #characters = 0;

  add(name: string): void {
    this.#names.add(name);
  }

  /** @returns the name, or if there is a value of this name one with a number behind it */
  takeNew(name: string): string {
    let found = name;
    let number = this.#numbers.get(name) ?? 2;
    while (this.#names.has(found)) found = `${name}~${number++}`;
    this.#numbers.set(name, number);
    this.count(found);
    this.add(found);
    return found;
  }

  /** @throws NeuralDiffError `bad-model` for more names than a model has */
  count({ length }: string): void {
    this.#characters += length + NAME_CHARACTERS;
    if (this.#characters > MAX_CHARACTERS)
      throw invalidOnnx(`expected at most ${MAX_CHARACTERS} characters in the names of inlined functions`);
  }
}

/** Names that the values of a call, or of a graph in it, have in the model. */
class Names {
  readonly #prefix: string;
  readonly #taken: TakenNames;
  readonly #outer: Names | undefined;
  readonly #own = new Map<string, string>();

  constructor(prefix: string, taken: TakenNames, outer?: Names) {
    this.#prefix = prefix;
    this.#taken = taken;
    this.#outer = outer;
  }

  inner(): Names {
    return new Names(this.#prefix, this.#taken, this);
  }

  set(name: string, inModel: string): void {
    this.#own.set(name, inModel);
  }

  has(name: string): boolean {
    return this.#own.has(name);
  }

  /** @returns the name of a value that a node gives */
  define(name: string): string {
    if (name === '') return '';
    const found = this.#own.get(name) || this.#taken.takeNew(`${this.#prefix}${name}`);
    this.#own.set(name, found);
    return found;
  }

  /** @returns the name of a value that a node uses; that of no value if the function has none before it */
  use(name: string): string {
    this.#taken.count(name);
    return name === '' ? '' : (this.#find(name) ?? this.define(name));
  }

  #find(name: string): string | undefined {
    const outer = this.#outer;
    return this.#own.get(name) ?? (outer ? outer.#find(name) : undefined);
  }
}
