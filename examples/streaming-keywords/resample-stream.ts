import { createResampler, SAMPLE_RATE } from '../keyword-spotting/clip.js';

/** Seconds of sound that are resampled at once; the least that a filter reaches to either side. */
const BLOCK_SECONDS = 0.01;

/**
 * Brings sound that arrives bit by bit to 16 kHz, as `createResampler` does a whole clip; it comes a block
 * later.
 *
 * @param rate samples a second of the input, a whole number
 * @returns takes samples, and gives those that are complete
 */
export function createStreamResampler(rate: number): (samples: Float32Array) => Float32Array {
  if (rate === SAMPLE_RATE) return (samples) => samples;
  const resample = createResampler(rate);
  const step = rate / greatestCommonDivisor(rate, SAMPLE_RATE);
  const block = Math.ceil((BLOCK_SECONDS * rate) / step) * step;
  const made = (block * SAMPLE_RATE) / rate;
  // A block with those before and after it, from which its filters take.
  const held = new Float32Array(3 * block);
  let count = block;
  return (samples) => {
    const pieces: Float32Array[] = [];
    for (let read = 0; read < samples.length; ) {
      const part = samples.subarray(read, read + held.length - count);
      held.set(part, count);
      read += part.length;
      count += part.length;
      if (count < held.length) break;
      pieces.push(resample(held).subarray(made, 2 * made));
      held.copyWithin(0, block);
      count -= block;
    }
    const output = new Float32Array(pieces.length * made);
    pieces.forEach((piece, i) => {
      output.set(piece, i * made);
    });
    return output;
  };
}

function greatestCommonDivisor(first: number, second: number): number {
  return second === 0 ? first : greatestCommonDivisor(second, first % second);
}
