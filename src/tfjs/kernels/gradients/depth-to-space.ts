import * as tf from '@tensorflow/tfjs';

/** The gradient of moving channels into blocks of pixels: blocks of pixels become channels. */
export const depthToSpaceGradient: tf.GradConfig = {
  kernelName: 'DepthToSpace',
  inputsToSave: ['x'],
  gradFunc(dy, saved, attrs) {
    const [x] = saved as [tf.Tensor];
    const { blockSize: block, dataFormat } = attrs as unknown as { blockSize: number; dataFormat: string };
    return { x: () => tf.reshape(blocksOf(dy as tf.Tensor, block, dataFormat), x.shape) };
  },
};

function blocksOf(dy: tf.Tensor, block: number, dataFormat: string): tf.Tensor {
  const [batch, ...sizes] = dy.shape as [number, number, number, number];
  if (dataFormat === 'NCHW') {
    const [channels, height, width] = sizes;
    const split = [batch, channels, height / block, block, width / block, block];
    return tf.transpose(tf.reshape(dy, split), [0, 3, 5, 1, 2, 4]);
  }
  const [height, width, channels] = sizes;
  const split = [batch, height / block, block, width / block, block, channels];
  return tf.transpose(tf.reshape(dy, split), [0, 1, 3, 2, 4, 5]);
}
