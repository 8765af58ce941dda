import type * as tf from '@tensorflow/tfjs';
import { allocateFloats, type KernelCall, sizeOf } from '../backend.js';
import { registerOwnKernel, runOwnKernel } from '../own-kernels.js';
import type { Simd } from '../simd/module.js';
import { overrideGradient } from './override.js';

/** Where a gradient passes: from `low` to `high`. */
interface Bounds {
  readonly low: number;
  readonly high: number;
  /** Whether `low` itself is outside. */
  readonly isOpen: boolean;
}

/** Computes the gradients of rectifiers and clips in one kernel instead of two to four. */
export function overrideClippedGradients(): void {
  registerOwnKernel('NeuralDiffClippedGradient', clippedGradient);
  const high = Number.POSITIVE_INFINITY;
  overrideGradient('Relu', (dy, [x]) => gradientOf(dy, x, { low: 0, high, isOpen: true }));
  overrideGradient('Relu6', (dy, [x]) => gradientOf(dy, x, { low: 0, high: 6, isOpen: true }));
  overrideGradient('ClipByValue', (dy, [x], attrs) => {
    const { clipValueMin, clipValueMax } = attrs as unknown as tf.ClipByValueAttrs;
    return gradientOf(dy, x, { low: clipValueMin, high: clipValueMax, isOpen: false });
  });
}

/** @returns undefined for values that are not floats, or gradients that need a broadcast */
function gradientOf(
  dy: tf.Tensor | tf.Tensor[],
  x: tf.Tensor | undefined,
  bounds: Bounds,
): ReturnType<tf.GradFunc> | undefined {
  if (Array.isArray(dy) || x?.dtype !== 'float32' || dy.dtype !== 'float32' || dy.size !== x.size)
    return undefined;
  return { x: () => runOwnKernel('NeuralDiffClippedGradient', { dy, x }, bounds)[0] as tf.Tensor };
}

function clippedGradient(
  { inputs, backend, attrs }: KernelCall<'dy' | 'x', Bounds>,
  simd: Simd,
): tf.TensorInfo[] {
  const out = allocateFloats(backend, inputs.x.shape);
  const [dy, x, dx] = [inputs.dy, inputs.x, out].map((tensor) => simd.pointer(tensor)) as [
    number,
    number,
    number,
  ];
  const { low, high, isOpen } = attrs;
  simd.run.clippedGradient(sizeOf(out.shape), dy, x, low, high, isOpen ? 1 : 0, dx);
  return [out];
}
