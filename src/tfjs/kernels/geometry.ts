import * as tf from '@tensorflow/tfjs';

export type ConvGeometry = tf.backend_util.Conv2DInfo;

/** Rows and columns of zeros before and after, for each axis of an image tensor. */
export type Padding = [[0, 0], [number, number], [number, number], [0, 0]];

interface ConvAttrs {
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
  dataFormat?: 'NHWC' | 'NCHW';
  dilations?: [number, number] | number;
}

interface ConvShapes {
  input: readonly number[];
  filter: readonly number[];
}

/**
 * Computes output size, padding and strides of a convolution.
 *
 * @throws Error for channels-first data, which the wasm backend does not support
 */
export function convGeometry(shapes: ConvShapes, attrs: ConvAttrs): ConvGeometry {
  return geometry(shapes, attrs, false);
}

/** As `convGeometry`, for a depthwise convolution. */
export function depthwiseGeometry(shapes: ConvShapes, attrs: ConvAttrs): ConvGeometry {
  return geometry(shapes, attrs, true);
}

function geometry({ input, filter }: ConvShapes, attrs: ConvAttrs, depthwise: boolean): ConvGeometry {
  if (attrs.dataFormat === 'NCHW') {
    throw new Error(
      'Cannot differentiate a convolution on the wasm backend: expected "NHWC" data, got "NCHW"',
    );
  }
  return tf.backend_util.computeConv2DInfo(
    input as [number, number, number, number],
    filter as [number, number, number, number],
    attrs.strides,
    attrs.dilations ?? 1,
    attrs.pad,
    attrs.dimRoundingMode,
    depthwise,
  );
}

/** Whether a convolution is pointwise: a plain matrix product. */
export function isPointwise(conv: ConvGeometry): boolean {
  const { top, bottom, left, right } = conv.padInfo;
  const unpadded = top === 0 && bottom === 0 && left === 0 && right === 0;
  return conv.filterHeight === 1 && conv.filterWidth === 1 && hasUnitStrides(conv) && unpadded;
}

export function hasUnitStrides(conv: ConvGeometry): boolean {
  return conv.strideHeight === 1 && conv.strideWidth === 1;
}

/**
 * The padding for which a stride-1 convolution of the output gradient with the reversed filter has the size
 * of the input. An entry is negative if the forward padding exceeds the reach of the filter.
 */
export function transposedPadding(conv: ConvGeometry): Padding {
  const reachDown = conv.effectiveFilterHeight - 1;
  const reachAcross = conv.effectiveFilterWidth - 1;
  const top = reachDown - conv.padInfo.top;
  const left = reachAcross - conv.padInfo.left;
  const bottom = conv.inHeight + reachDown - conv.outHeight - top;
  const right = conv.inWidth + reachAcross - conv.outWidth - left;
  return [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
}

/** The half-open range `[first, end)`. */
export interface Span {
  readonly first: number;
  readonly end: number;
}

/** The outputs along one axis whose tap at `shift` from the stride origin is inside the input. */
export function reachableOutputs(axis: {
  input: number;
  output: number;
  stride: number;
  shift: number;
}): Span {
  const first = Math.max(0, Math.ceil(-axis.shift / axis.stride));
  const end = Math.min(axis.output, Math.floor((axis.input - 1 - axis.shift) / axis.stride) + 1);
  return { first, end: Math.max(first, end) };
}
