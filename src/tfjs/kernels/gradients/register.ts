import * as tf from '@tensorflow/tfjs';
import { depthToSpaceGradient } from './depth-to-space.js';
import { registerDilatedGradients } from './dilated.js';
import { extremeGradients } from './extremes.js';
import { gatherNdGradient, registerGatherGradient, topKGradient } from './gather.js';
import { mirrorPadGradient } from './mirror-pad.js';
import { registerResizeGradients } from './resize.js';
import { squaredDifferenceGradient } from './squared-difference.js';
import { stridedSliceGradient } from './strided-slice.js';
import { tileGradient } from './tile.js';

/** Kernels with boolean results: nothing depends on them continuously. */
const COMPARISONS = ['Equal', 'NotEqual', 'Greater', 'Less', 'LessEqual', 'LogicalAnd', 'LogicalOr'];

/** Marks the gradients as registered, by any copy of the package. */
const MARK = Symbol.for('neural-diff.gradients');

/**
 * Registers, for all backends, gradients that TensorFlow.js 4.22 lacks, and corrects those of MirrorPad, Max,
 * Min, SquaredDifference, Tile and of resizing. Others stay, and so do those that the program has added
 * itself.
 */
export function registerGradients(): void {
  const corrected = [mirrorPadGradient, squaredDifferenceGradient, tileGradient, ...extremeGradients];
  if (MARK in tf.getGradient('MirrorPad')) return;
  for (const config of corrected) {
    tf.unregisterGradient(config.kernelName);
    tf.registerGradient(Object.assign(config, { [MARK]: true }));
  }
  registerDilatedGradients();
  registerResizeGradients();
  registerGatherGradient();
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
