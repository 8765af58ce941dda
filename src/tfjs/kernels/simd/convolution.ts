import * as tf from '@tensorflow/tfjs';
import { allocateFloats, type KernelCall, sizeOf } from '../backend.js';
import { type ConvGeometry, convGeometry, depthwiseGeometry, isPointwise } from '../geometry.js';
import type { Simd } from './module.js';

type Otherwise<Call> = (call: Call) => tf.TensorInfo;

/** Floats of unrolled patches per chunk: with their operands they fit a second-level cache. */
const MAX_PATCH_FLOATS = 1 << 17;

/** Bytes of the geometry struct, rounded up. */
const GEOMETRY_BYTES = 64;

/** @returns the fields of the struct in `assembly/geometry.ts` */
function geometryFields(g: ConvGeometry): number[] {
  return [
    ...[g.batchSize, g.inHeight, g.inWidth, g.inChannels, g.filterHeight, g.filterWidth],
    ...[g.outHeight, g.outWidth, g.outChannels, g.strideHeight, g.strideWidth],
    ...[g.dilationHeight, g.dilationWidth, g.padInfo.top, g.padInfo.left],
  ];
}

interface PatchPlan {
  readonly geometry: number;
  readonly patches: number;
  readonly scratch: number;
  /** Rows of output pixels whose patches fit into a chunk. */
  readonly chunk: number;
}

/** Memory does not grow with the images: at least one row of output pixels is unrolled at a time. */
function planPatches(simd: Simd, conv: ConvGeometry): PatchPlan {
  const rows = conv.batchSize * conv.outHeight;
  const rowFloats = isPointwise(conv) ? 0 : conv.outWidth * sizeOf(conv.filterShape.slice(0, 3));
  const chunk = Math.min(Math.max(1, rows), Math.max(1, Math.floor(MAX_PATCH_FLOATS / rowFloats)));
  const bytes = GEOMETRY_BYTES + simd.productBytes + 4 * chunk * rowFloats;
  const geometry = simd.borrowStruct(bytes, geometryFields(conv));
  const scratch = geometry + GEOMETRY_BYTES;
  return { geometry, scratch, patches: rowFloats === 0 ? 0 : scratch + simd.productBytes, chunk };
}

/** A pointwise convolution is a single product over all pixels. */
function pixelsOf(conv: ConvGeometry): number {
  return conv.batchSize * conv.outHeight * conv.outWidth;
}

type ConvCall = KernelCall<'x' | 'filter', tf.Conv2DAttrs & Partial<tf.FusedConv2DAttrs>> & {
  readonly inputs: { readonly bias?: tf.TensorInfo; readonly preluActivationWeights?: tf.TensorInfo };
};

/**
 * A convolution with optional bias and rectifier; other cases use the other kernel. The stock kernel packs
 * each new filter, which takes several times as long as a convolution of few pixels; it also miscalculates
 * numeric padding, and `same` if strides exceed filters.
 */
export function simdConv(call: ConvCall, simd: Simd, otherwise: Otherwise<ConvCall>): tf.TensorInfo {
  const { inputs, backend, attrs } = call;
  if (attrs.dataFormat === 'NCHW') return otherwise(call);
  const conv = convGeometry({ input: inputs.x.shape, filter: inputs.filter.shape }, attrs);
  if (!isSupported(call, conv)) return otherwise(call);
  const plan = planPatches(simd, conv);
  const out = allocateFloats(backend, conv.outShape);
  const [x, w, y] = [simd.pointer(inputs.x), simd.pointer(inputs.filter), simd.pointer(out)];
  const bias = inputs.bias ? simd.pointer(inputs.bias) : 0;
  const isRectified = Number(attrs.activation === 'relu');
  simd.run.convForward(plan.geometry, x, w, bias, isRectified, y, plan.patches, plan.chunk, plan.scratch);
  return out;
}

function isSupported({ inputs, attrs }: ConvCall, conv: ConvGeometry): boolean {
  const { bias, preluActivationWeights } = inputs;
  const isPlain = conv.dilationHeight === 1 && conv.dilationWidth === 1 && sizeOf(conv.outShape) > 0;
  const fitsBias = !bias || (bias.shape.length === 1 && bias.shape[0] === conv.outChannels);
  const isKnown = [undefined, null, 'linear', 'relu'].includes(attrs.activation);
  return isPlain && fitsBias && isKnown && !preluActivationWeights && inputs.x.dtype === 'float32';
}

type FilterGradientCall = KernelCall<'x' | 'dy', tf.Conv2DBackpropFilterAttrs>;

/** The gradient of a convolution with respect to its filter. */
export function simdConvFilterGradient(
  { inputs, backend, attrs }: FilterGradientCall,
  simd: Simd,
): tf.TensorInfo {
  const conv = convGeometry({ input: inputs.x.shape, filter: attrs.filterShape }, attrs);
  const plan = planPatches(simd, conv);
  const out = allocateFloats(backend, attrs.filterShape);
  const [x, dy, dw] = [simd.pointer(inputs.x), simd.pointer(inputs.dy), simd.pointer(out)];
  if (isPointwise(conv)) {
    const { inChannels: c, outChannels: n } = conv;
    simd.run.product(c, n, pixelsOf(conv), x, 1, c, dy, n, 1, dw, n, 0, plan.scratch);
    return out;
  }
  simd.run.convFilterGradient(plan.geometry, x, dy, dw, plan.patches, plan.chunk, plan.scratch);
  return out;
}

type InputGradientCall = KernelCall<'dy' | 'filter', tf.Conv2DBackpropInputAttrs>;

/** The gradient of a convolution with respect to its input. */
export function simdConvInputGradient(
  { inputs, backend, attrs }: InputGradientCall,
  simd: Simd,
): tf.TensorInfo {
  const conv = convGeometry({ input: attrs.inputShape, filter: inputs.filter.shape }, attrs);
  const plan = planPatches(simd, conv);
  const out = allocateFloats(backend, attrs.inputShape);
  const [dy, w, dx] = [simd.pointer(inputs.dy), simd.pointer(inputs.filter), simd.pointer(out)];
  if (isPointwise(conv)) {
    const { inChannels: c, outChannels: n } = conv;
    simd.run.product(pixelsOf(conv), c, n, dy, n, 1, w, 1, n, dx, c, 0, plan.scratch);
    return out;
  }
  simd.run.convInputGradient(plan.geometry, dy, w, dx, plan.patches, plan.chunk, plan.scratch);
  return out;
}

type DepthwiseFilterCall = KernelCall<'x' | 'dy', tf.DepthwiseConv2dNativeBackpropFilterAttrs>;

/**
 * The gradient of a depthwise convolution with respect to its filter; channel multipliers use the other
 * kernel.
 */
export function simdDepthwiseFilterGradient(
  call: DepthwiseFilterCall,
  simd: Simd,
  otherwise: Otherwise<DepthwiseFilterCall>,
): tf.TensorInfo {
  const { inputs, backend, attrs } = call;
  const conv = depthwiseGeometry({ input: inputs.x.shape, filter: attrs.filterShape }, attrs);
  if (conv.outChannels !== conv.inChannels) return otherwise(call);
  const out = allocateFloats(backend, attrs.filterShape);
  const geometry = simd.borrowStruct(GEOMETRY_BYTES, geometryFields(conv));
  simd.run.depthwiseFilterGradient(
    geometry,
    simd.pointer(inputs.x),
    simd.pointer(inputs.dy),
    simd.pointer(out),
  );
  return out;
}

type DepthwiseInputCall = KernelCall<'dy' | 'filter', tf.DepthwiseConv2dNativeBackpropInputAttrs>;

/**
 * The gradient of a depthwise convolution with respect to its input; channel multipliers use the other
 * kernel.
 */
export function simdDepthwiseInputGradient(
  call: DepthwiseInputCall,
  simd: Simd,
  otherwise: Otherwise<DepthwiseInputCall>,
): tf.TensorInfo {
  const { inputs, backend, attrs } = call;
  const conv = depthwiseGeometry({ input: attrs.inputShape, filter: inputs.filter.shape }, attrs);
  if (conv.outChannels !== conv.inChannels) return otherwise(call);
  const out = allocateFloats(backend, attrs.inputShape);
  const geometry = simd.borrowStruct(GEOMETRY_BYTES, geometryFields(conv));
  const [dy, w] = [simd.pointer(inputs.dy), simd.pointer(inputs.filter)];
  simd.run.depthwiseInputGradient(geometry, dy, w, simd.pointer(out));
  return out;
}

type PoolGradCall = KernelCall<'dy' | 'input', tf.MaxPoolGradAttrs | tf.AvgPoolGradAttrs>;

/** The gradient of max pooling: goes to the first maximum of each window. */
export function simdMaxPoolGradient(call: PoolGradCall, simd: Simd): tf.TensorInfo {
  const out = allocateFloats(call.backend, call.inputs.input.shape);
  const geometry = simd.borrowStruct(GEOMETRY_BYTES, geometryFields(poolGeometry(call)));
  const [x, dy] = [simd.pointer(call.inputs.input), simd.pointer(call.inputs.dy)];
  simd.run.maxPoolGradient(geometry, x, dy, simd.pointer(out));
  return out;
}

/** The gradient of average pooling: distributed over each window. */
export function simdAveragePoolGradient(call: PoolGradCall, simd: Simd): tf.TensorInfo {
  const out = allocateFloats(call.backend, call.inputs.input.shape);
  const geometry = simd.borrowStruct(GEOMETRY_BYTES, geometryFields(poolGeometry(call)));
  simd.run.averagePoolGradient(geometry, simd.pointer(call.inputs.dy), simd.pointer(out));
  return out;
}

function poolGeometry({ inputs, attrs }: PoolGradCall): ConvGeometry {
  const shape = inputs.input.shape as [number, number, number, number];
  const { filterSize, strides, pad } = attrs;
  const rounding = 'dimRoundingMode' in attrs ? attrs.dimRoundingMode : undefined;
  return tf.backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, rounding);
}
