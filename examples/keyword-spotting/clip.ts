import { createRandom, type Random, uniform } from '../common/random.js';

/** Samples a second of every clip the model hears. */
export const SAMPLE_RATE = 16_000;

/** Samples in a clip: one second. */
export const CLIP_SAMPLES = SAMPLE_RATE;

/** Sample rates a clip may come in, in hertz: below is no speech, above only costs memory. */
export const SOURCE_RATES = { low: 4_000, high: 192_000 } as const;

/** Sound below this share of the peak counts as silence around a word. */
const SILENCE = 0.02;

/** Zero crossings of the interpolating sinc on each side: keeps aliases some 50 dB down. */
const SINC_LOBES = 12;

/** Where a word sits in its second and how loud it is. */
export interface Placement {
  /** Peak of the word, above 0 and at most 1. */
  readonly loudness: number;
  /** Share of the spare silence that comes before the word, 0 to 1. */
  readonly offset: number;
}

/**
 * Draw where a word sits and how loud it is, as with a microphone that no one stands at the same distance
 * from.
 *
 * @param seed the data set's seed
 * @param name what tells the clip from every other
 */
export function drawPlacement(seed: number, name: string): Placement {
  const random: Random = createRandom(seed, `placement/${name}`);
  return { loudness: uniform(random, 0.3, 1), offset: random() };
}

/**
 * Cut the silence before and after a word.
 *
 * @param samples sound of any rate
 * @returns a view of the samples from the first to the last loud one; empty if all is silence
 */
export function trimSilence(samples: Float32Array): Float32Array {
  const threshold = peakOf(samples) * SILENCE;
  if (threshold === 0) return samples.subarray(0, 0);
  let start = 0;
  let end = samples.length;
  while (start < end && Math.abs(samples[start]!) <= threshold) start += 1;
  while (end > start && Math.abs(samples[end - 1]!) <= threshold) end -= 1;
  return samples.subarray(start, end);
}

function peakOf(samples: Float32Array): number {
  let peak = 0;
  for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
  return peak;
}

/**
 * Put a word into one second at a given place and loudness; of a longer word the middle second is kept.
 *
 * @param samples the word at {@link SAMPLE_RATE}, not silent
 * @param placement where and how loud
 * @returns {@link CLIP_SAMPLES} samples
 */
export function placeInClip(samples: Float32Array, placement: Placement): Float32Array {
  const clip = new Float32Array(CLIP_SAMPLES);
  const spare = CLIP_SAMPLES - samples.length;
  const start = spare < 0 ? 0 : Math.round(spare * placement.offset);
  const from = spare < 0 ? Math.floor(-spare / 2) : 0;
  const gain = placement.loudness / peakOf(samples);
  const length = Math.min(samples.length, CLIP_SAMPLES);
  for (let index = 0; index < length; index += 1) clip[start + index] = samples[from + index]! * gain;
  return clip;
}

/**
 * Prepare the change to {@link SAMPLE_RATE} from another rate by windowed-sinc interpolation: one small
 * filter for each of the positions an output sample can have between two input samples.
 *
 * @param rate samples a second of the input, a whole number within {@link SOURCE_RATES}
 * @returns the conversion, which keeps the duration
 * @throws RangeError for a rate outside the limits
 */
export function createResampler(rate: number): (samples: Float32Array) => Float32Array {
  if (!Number.isInteger(rate) || rate < SOURCE_RATES.low || rate > SOURCE_RATES.high) {
    const { low, high } = SOURCE_RATES;
    throw new RangeError(`Cannot resample: expected ${low} to ${high} samples a second, got ${rate}`);
  }
  if (rate === SAMPLE_RATE) return (samples) => samples.slice();
  const divisor = greatestCommonDivisor(rate, SAMPLE_RATE);
  const step = rate / divisor;
  const phases = SAMPLE_RATE / divisor;
  const filters = Array.from({ length: phases }, (_, phase) => sincFilter(phase / phases, rate));
  return (samples) => {
    const output = new Float32Array(Math.ceil((samples.length * phases) / step));
    for (let index = 0; index < output.length; index += 1) {
      const position = index * step;
      output[index] = applyFilter(samples, Math.floor(position / phases), filters[position % phases]!);
    }
    return output;
  };
}

function greatestCommonDivisor(first: number, second: number): number {
  return second === 0 ? first : greatestCommonDivisor(second, first % second);
}

/** Taps around the input sample before the output position; the gain is exactly one at zero frequency. */
function sincFilter(fraction: number, rate: number): Float32Array {
  const cutoff = Math.min(1, SAMPLE_RATE / rate);
  const reach = Math.ceil(SINC_LOBES / cutoff);
  const taps = Float64Array.from({ length: 2 * reach }, (_, index) => {
    const distance = index - reach + 1 - fraction;
    const angle = Math.PI * distance * cutoff;
    const window = 0.5 + 0.5 * Math.cos((Math.PI * distance) / reach);
    return (angle === 0 ? 1 : Math.sin(angle) / angle) * window;
  });
  const sum = taps.reduce((total, tap) => total + tap, 0);
  return Float32Array.from(taps, (tap) => tap / sum);
}

function applyFilter(samples: Float32Array, centre: number, filter: Float32Array): number {
  const first = centre - filter.length / 2 + 1;
  const start = Math.max(0, -first);
  const end = Math.min(filter.length, samples.length - first);
  let sum = 0;
  for (let tap = start; tap < end; tap += 1) sum += samples[first + tap]! * filter[tap]!;
  return sum;
}
