import type { Quantization } from '../model/store.js';
import { numberOf } from './attributes.js';
import type { OnnxConstant, OnnxGraph, OnnxNode } from './graph.js';
import { namesUsedBy } from './walk.js';

/** An integer weight whose floats one node computes. */
export interface QuantisedWeight {
  readonly constant: OnnxConstant;
  /** Name of the value that the node computes. */
  readonly value: string;
  readonly quantization: Quantization;
}

/**
 * Finds integer weights that can be trained on their grid: int8 or uint8, used by one DequantizeLinear alone,
 * with one scale or one for each index of the last dimension, and one zero point.
 *
 * @param numbersOf reads a constant
 */
export function quantisedWeights(
  graph: OnnxGraph,
  numbersOf: (constant: OnnxConstant) => ArrayLike<number>,
): QuantisedWeight[] {
  const uses = new Map<string, number>();
  for (const name of [...graph.nodes.flatMap(namesUsedBy), ...graph.outputs.map(({ name }) => name)])
    uses.set(name, (uses.get(name) ?? 0) + 1);
  return graph.nodes.flatMap((node) => {
    const [name = '', scaleName = '', zeroName = ''] = node.inputs;
    const constant = graph.constants.get(name);
    if (node.op !== 'DequantizeLinear' || node.domain !== '' || !constant || uses.get(name) !== 1) return [];
    if (constant.type !== 'int8' && constant.type !== 'uint8') return [];
    const [scale, zero] = [graph.constants.get(scaleName), graph.constants.get(zeroName)];
    if (!scale || (zeroName !== '' && !zero)) return [];
    const zeros = zero ? numbersOf(zero) : [0];
    const quantization = quantizationOf(node, constant, { scale: numbersOf(scale), zeros });
    return quantization ? [{ constant, value: node.outputs[0] ?? '', quantization }] : [];
  });
}

function quantizationOf(
  node: OnnxNode,
  { shape }: OnnxConstant,
  { scale, zeros }: { scale: ArrayLike<number>; zeros: ArrayLike<number> },
): Quantization | undefined {
  const scales = Float32Array.from(scale);
  const [zeroPoint = 0, ...others] = Array.from(zeros);
  const isPositive = scales.every((each) => each > 0 && Number.isFinite(each));
  if (!isPositive || others.some((each) => each !== zeroPoint) || numberOf(node, 'block_size', 0) !== 0)
    return undefined;
  if (scales.length === 1) return { scale: scales[0] as number, zeroPoint };
  const axis = numberOf(node, 'axis', 1);
  const isLast = axis === -1 || axis === shape.length - 1;
  return isLast && scales.length === shape.at(-1) ? { scale: scales, zeroPoint } : undefined;
}
