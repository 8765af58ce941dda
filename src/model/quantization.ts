/** How a tensor's integers stand for weights: `weight = scale * (integer - zeroPoint) + min`, rounded once to float32. */
export interface Quantization {
  /** Above 0; or one for each index of the tensor's last dimension. */
  readonly scale: number | Float32Array;
  /** A whole number in the range of the dtype; 0 unless given. */
  readonly zeroPoint?: number | undefined;
  /** What the zero point stands for; 0 unless given. TensorFlow.js has it in place of zero points. */
  readonly min?: number | undefined;
}

/** Quantisation by tensor; none of tensors that hold floats. */
export type Quantizations = ReadonlyMap<string, Quantization>;
