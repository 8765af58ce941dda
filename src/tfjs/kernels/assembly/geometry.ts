/** A convolution or a pooling of images [batch, height, width, channels]; all fields in elements. */
@unmanaged
export class Geometry {
  batch: i32;
  inHeight: i32;
  inWidth: i32;
  inChannels: i32;
  filterHeight: i32;
  filterWidth: i32;
  outHeight: i32;
  outWidth: i32;
  outChannels: i32;
  strideHeight: i32;
  strideWidth: i32;
  dilationHeight: i32;
  dilationWidth: i32;
  padTop: i32;
  padLeft: i32;
}

/** The inputs of one output pixel, in floats. */
@inline
export function tapsOf(g: Geometry): i32 {
  return g.filterHeight * g.filterWidth * g.inChannels;
}

@inline
export function imageFloatsOf(g: Geometry): i32 {
  return g.inHeight * g.inWidth * g.inChannels;
}

/** The first output whose tap at `shift` from the stride's origin is not before the input. */
@inline
export function firstOutput(shift: i32, stride: i32): i32 {
  return shift >= 0 ? 0 : (stride - 1 - shift) / stride;
}

/** One past the last output whose tap at `shift` from the stride's origin is within the input. */
@inline
export function endOutput(shift: i32, stride: i32, input: i32, output: i32): i32 {
  return input > shift ? min(output, (input - 1 - shift) / stride + 1) : 0;
}
