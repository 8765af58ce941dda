import * as tf from '@tensorflow/tfjs';
import type { OnnxGraph, OnnxNode } from './graph.js';
import { plainOf } from './layout.js';
import type { Recorder, Value } from './recorder.js';
import { type Place, Scope } from './scope.js';
import { isGraph } from './walk.js';

/** Where a node with graphs is recorded. */
export interface ControlPlace extends Place {
  recordNodes(nodes: Iterable<OnnxNode>, place: Place): void;
}

/** Records a node that runs graphs. */
export type ControlFlow = (
  node: OnnxNode,
  inputs: readonly (Value | undefined)[],
  place: ControlPlace,
) => readonly Value[];

/** Operators that run graphs. Those that say when a loop ends must follow from constants and shapes. */
export const CONTROL_FLOW: Readonly<Record<string, ControlFlow>> = { If: branch, Loop: loop };

function branch(node: OnnxNode, [condition]: readonly (Value | undefined)[], place: ControlPlace): Value[] {
  if (!condition) throw new Error('expected a condition');
  const isTrue = place.session.recorder.choose(condition);
  return runGraph(graphOf(node, isTrue ? 'then_branch' : 'else_branch'), [], place);
}

function loop(
  node: OnnxNode,
  [turns, condition, ...initial]: readonly (Value | undefined)[],
  place: ControlPlace,
): Value[] {
  const body = graphOf(node, 'body');
  const { recorder } = place.session;
  const most = turns ? numberOf(turns, 'the number of turns') : Number.POSITIVE_INFINITY;
  let going = condition ? numberOf(condition, 'the condition') !== 0 : true;
  let carried = initial as Value[];
  const scans: Value[][] = body.outputs.slice(1 + carried.length).map(() => []);
  for (let turn = 0; going && turn < most; turn++) {
    place.session.count.nodes++;
    const starts = [
      known(recorder, tf.scalar(turn, 'int32')),
      known(recorder, tf.scalar(true, 'bool')),
      ...carried,
    ];
    const [next, ...results] = runGraph(body, starts, place);
    going = numberOf(next, 'the condition of the next turn') !== 0;
    carried = results.slice(0, initial.length);
    scans.forEach((scan, i) => {
      scan.push(plainOf(recorder, results[initial.length + i] as Value));
    });
  }
  return [...carried, ...scans.map((scan) => stacked(recorder, scan))];
}

function known(recorder: Recorder, tensor: tf.Tensor): Value {
  return recorder.known(tensor);
}

function stacked(recorder: Recorder, values: readonly Value[]): Value {
  if (values.length === 0)
    throw new Error('expected a loop to run at least once, as its results are stacked');
  return recorder.emit(values, (tensors) => tf.stack(tensors as tf.Tensor[]))[0] as Value;
}

function graphOf(node: OnnxNode, attribute: string): OnnxGraph {
  const graph = node.attributes.get(attribute);
  if (isGraph(graph)) return graph;
  throw new Error(`expected a graph in attribute "${attribute}"`);
}

/** @returns the number that a value is in every run */
function numberOf(value: Value | undefined, what: string): number {
  if (value !== undefined && value.slot === undefined && value.tensor.size === 1)
    return value.tensor.dataSync()[0] as number;
  throw new Error(`expected ${what} to follow from constants and the shapes of the inputs`);
}

/** @returns the values of a graph's outputs */
function runGraph(graph: OnnxGraph, inputs: readonly Value[], place: ControlPlace): Value[] {
  const scope = new Scope(place.session, graph, place.scope);
  graph.inputs.forEach(({ name }, i) => {
    scope.set(name, inputs[i] as Value);
  });
  place.recordNodes(graph.nodes, { session: place.session, scope });
  return graph.outputs.map(({ name }) => scope.get(name));
}
