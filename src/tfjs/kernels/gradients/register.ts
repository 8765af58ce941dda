import * as tf from '@tensorflow/tfjs';
import { depthToSpaceGradient } from './depth-to-space.js';
import { registerDilatedGradients } from './dilated.js';
import { gatherNdGradient, topKGradient } from './gather.js';
import { mirrorPadGradient } from './mirror-pad.js';
import { stridedSliceGradient } from './strided-slice.js';

/** Kernels with boolean results: nothing depends on them continuously. */
const COMPARISONS = ['Equal', 'NotEqual', 'Greater', 'Less', 'LessEqual', 'LogicalAnd', 'LogicalOr'];

/** Marks the gradients as registered, by any copy of the package. */
const MARK = Symbol.for('neural-diff.gradients');

/**
 * Registers, for all backends, gradients that TensorFlow.js 4.22 lacks, and corrects the one of MirrorPad.
 * Gradients that the program has registered itself stay.
 */
export function registerGradients(): void {
  const stock = tf.getGradient('MirrorPad');
  if (stock !== undefined && MARK in stock) return;
  tf.unregisterGradient('MirrorPad');
  tf.registerGradient(Object.assign(mirrorPadGradient, { [MARK]: true }));
  registerDilatedGradients();
  const added = [
    ...COMPARISONS.map((kernelName) => withoutSlope(kernelName, ['a', 'b'])),
    withoutSlope('LogicalNot', ['x']),
    stridedSliceGradient,
    depthToSpaceGradient,
    gatherNdGradient,
    topKGradient,
  ];
  for (const config of added) if (!tf.getGradient(config.kernelName)) tf.registerGradient(config);
}

function withoutSlope(kernelName: string, inputs: readonly string[]): tf.GradConfig {
  return {
    kernelName,
    inputsToSave: [...inputs],
    gradFunc: (_, saved) =>
      Object.fromEntries(inputs.map((name, i) => [name, () => tf.zeros((saved[i] as tf.Tensor).shape)])),
  };
}
