import * as tf from '@tensorflow/tfjs';

type Pair = [number, number];

/** Attributes of the kernels of convolutions used here. */
interface ConvAttributes {
  readonly dilations?: Pair | number;
  readonly strides: Pair | number;
  readonly pad: Parameters<typeof tf.conv2d>[3] | tf.backend_util.ExplicitPadding;
  readonly dataFormat?: string;
}

/**
 * Adds gradients of dilated convolutions, which TensorFlow.js 4.22 refuses; those of others stay as they are.
 */
export function registerDilatedGradients(): void {
  for (const kernelName of ['Conv2D', 'DepthwiseConv2dNative'] as const) {
    const stock = tf.getGradient(kernelName);
    const isDepthwise = kernelName === 'DepthwiseConv2dNative';
    const gradFunc: tf.GradFunc = (dy, saved, attrs) => {
      const conv = attrs as unknown as ConvAttributes;
      const [down, across] = pairOf(conv.dilations ?? 1);
      if ((down === 1 && across === 1) || conv.dataFormat === 'NCHW') return stock.gradFunc(dy, saved, attrs);
      return dilatedGradient(dy as tf.Tensor4D, saved as [tf.Tensor4D, tf.Tensor4D], { conv, isDepthwise });
    };
    tf.unregisterGradient(kernelName);
    tf.registerGradient({ ...stock, gradFunc });
  }
}

function pairOf(value: Pair | number): Pair {
  return typeof value === 'number' ? [value, value] : value;
}

/**
 * A dilated convolution is a dense one of every d-th row and column, which space-to-batch separates. Its
 * strides are 1.
 */
function dilatedGradient(
  dy: tf.Tensor4D,
  [x, filter]: [tf.Tensor4D, tf.Tensor4D],
  { conv, isDepthwise }: { conv: ConvAttributes; isDepthwise: boolean },
): Record<string, () => tf.Tensor> {
  const dilations = pairOf(conv.dilations ?? 1);
  const { padInfo } = tf.backend_util.computeConv2DInfo(
    x.shape,
    filter.shape,
    conv.strides,
    dilations,
    conv.pad,
    undefined,
    isDepthwise,
  );
  const { top, bottom, left, right } = padInfo;
  const down = missing(x.shape[1] + top + bottom, dilations[0]);
  const across = missing(x.shape[2] + left + right, dilations[1]);
  const padding = [
    [top, bottom + down],
    [left, right + across],
  ];
  const gradient = [
    [0, down],
    [0, across],
  ];
  const name = isDepthwise ? 'DepthwiseConv2dNativeBackprop' : 'Conv2DBackprop';
  const dense = { strides: [1, 1], pad: 'valid', dataFormat: 'NHWC', dilations: [1, 1] };
  const separate = () => tf.spaceToBatchND(dy, dilations, gradient);
  const run = (kernel: string, inputs: tf.NamedTensorMap, shape: object): tf.Tensor =>
    tf.engine().runKernel(`${name}${kernel}`, inputs, { ...dense, ...shape } as tf.NamedAttrMap);
  return {
    x: () => {
      const [batch, height, width, channels] = x.shape;
      const rows = (height + top + bottom + down) / dilations[0];
      const columns = (width + left + right + across) / dilations[1];
      const inputShape = [batch * dilations[0] * dilations[1], rows, columns, channels];
      return tf.batchToSpaceND(run('Input', { dy: separate(), filter }, { inputShape }), dilations, padding);
    },
    filter: () =>
      run(
        'Filter',
        { x: tf.spaceToBatchND(x, dilations, padding), dy: separate() },
        { filterShape: filter.shape },
      ),
  };
}

/** @returns what is missing to the next multiple */
function missing(size: number, multiple: number): number {
  return (multiple - (size % multiple)) % multiple;
}
