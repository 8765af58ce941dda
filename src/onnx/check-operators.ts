import { NeuralDiffError } from '../model/errors.js';
import { CONTROL_FLOW } from './control-flow.js';
import type { OnnxModel, OnnxNode } from './graph.js';
import { LOWERINGS } from './lowerings.js';
import { OPERATORS } from './operators.js';
import { nodesFor, operatorOf, visitNodes } from './walk.js';

/** Versions of the standard operators that mean what is implemented here. */
const OPSETS = { first: 7, last: 23 } as const;

/** Nodes of an operator that a message names. */
const MAX_NAMED = 3;

/**
 * Checks that all operators that a model's outputs need are supported.
 *
 * @throws NeuralDiffError `unsupported-model`, naming all that are not
 */
export function checkOperators({ graph, opsets }: OnnxModel): void {
  const problems: string[] = [];
  const opset = opsets.get('') ?? 1;
  if (opset < OPSETS.first || opset > OPSETS.last)
    problems.push(`operators of version ${opset} (supported: ${OPSETS.first} to ${OPSETS.last})`);
  for (const [operator, nodes] of missingOperators({ graph, opsets })) {
    const named = nodes.slice(0, MAX_NAMED).map((name) => `"${name}"`);
    const more = nodes.length > MAX_NAMED ? ` and ${nodes.length - MAX_NAMED} more` : '';
    problems.push(`${operator} (${nodes.length === 1 ? 'node' : 'nodes'} ${named.join(', ')}${more})`);
  }
  for (const { name, type, shape } of graph.inputs) {
    if (type === undefined) problems.push(`input "${name}" that is no tensor of numbers`);
    else if (shape === undefined) problems.push(`input "${name}" of unknown rank`);
  }
  if (problems.length === 0) return;
  throw new NeuralDiffError(
    'unsupported-model',
    `Cannot run the ONNX model: expected operators and inputs that docs/ONNX.md lists, got ${problems.join('; ')}`,
  );
}

function missingOperators({ graph }: OnnxModel): Map<string, string[]> {
  const missing = new Map<string, string[]>();
  const needed = nodesFor(
    graph,
    graph.outputs.map(({ name }) => name),
  );
  const visit = (node: OnnxNode): void => {
    const operator = operatorOf(node);
    if ([OPERATORS, LOWERINGS, CONTROL_FLOW].some((table) => Object.hasOwn(table, operator))) return;
    const names = missing.get(operator) ?? [];
    names.push(node.name);
    missing.set(operator, names);
  };
  visitNodes(
    graph.nodes.filter((node) => needed.has(node)),
    visit,
  );
  return missing;
}
