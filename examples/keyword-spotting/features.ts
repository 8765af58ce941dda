import FFT from 'fft.js';
import { CLIP_SAMPLES, SAMPLE_RATE } from './clip.js';

/** Frames in a clip's features, 20 ms apart. */
export const FRAMES = 49;

/** Mel bands in a frame. */
export const BANDS = 40;

/** The shape the model takes a clip's features in: time is height and mel bands are channels. */
export const CLIP_SHAPE = [FRAMES, 1, BANDS] as const;

/** Numbers in a clip's features: frames first, bands within a frame. */
export const CLIP_FEATURES = FRAMES * BANDS;

/** Samples of a frame, and from one frame to the next. */
export const WINDOW_SAMPLES = 0.025 * SAMPLE_RATE;
export const HOP_SAMPLES = 0.02 * SAMPLE_RATE;
const FFT_SAMPLES = 512;
const LOWEST_HERTZ = 60;
const HIGHEST_HERTZ = 7_600;

/** Added before the logarithm, so that digital silence is a number, some 60 dB below speech. */
const POWER_FLOOR = 1e-6;

/** The mean and standard deviation of a training set's features. */
export interface Normalisation {
  readonly mean: number;
  readonly deviation: number;
}

/** A mel band: its weights on consecutive bins of the spectrum. */
interface Band {
  readonly firstBin: number;
  readonly weights: Float64Array;
}

/** Writes the log-mel features of the 25 ms of sound from a start on: {@link BANDS} numbers. */
export type FrameExtractor = (sound: Float32Array, start: number, features: Float32Array) => void;

/**
 * Prepare the log-mel front end of a clip: frames every 20 ms.
 *
 * @returns a function from {@link CLIP_SAMPLES} samples to {@link CLIP_FEATURES} numbers
 */
export function createFeatureExtractor(): (clip: Float32Array) => Float32Array {
  const extract = createFrameExtractor();
  return (clip) => {
    if (clip.length !== CLIP_SAMPLES) {
      throw new RangeError(`Cannot extract features: expected ${CLIP_SAMPLES} samples, got ${clip.length}`);
    }
    const features = new Float32Array(CLIP_FEATURES);
    for (let frame = 0; frame < FRAMES; frame += 1) {
      extract(clip, frame * HOP_SAMPLES, features.subarray(frame * BANDS, (frame + 1) * BANDS));
    }
    return features;
  };
}

/**
 * Prepare the log-mel front end of a frame: 25 ms Hann window, power spectrum, 40 triangular bands on the HTK
 * mel scale, natural logarithm.
 */
export function createFrameExtractor(): FrameExtractor {
  const transform = new FFT(FFT_SAMPLES);
  const hann = Float64Array.from({ length: WINDOW_SAMPLES }, (_, index) => {
    return 0.5 - 0.5 * Math.cos((2 * Math.PI * index) / (WINDOW_SAMPLES - 1));
  });
  const bands = melBands();
  const windowed = new Float64Array(FFT_SAMPLES);
  const spectrum = new Float64Array(2 * FFT_SAMPLES);
  return (sound, start, features) => {
    for (let index = 0; index < WINDOW_SAMPLES; index += 1) {
      windowed[index] = sound[start + index]! * hann[index]!;
    }
    transform.realTransform(spectrum, windowed);
    for (let band = 0; band < BANDS; band += 1) {
      features[band] = Math.log(bandPower(spectrum, bands[band]!) + POWER_FLOOR);
    }
  };
}

function bandPower(spectrum: Float64Array, { firstBin, weights }: Band): number {
  let power = 0;
  for (let index = 0; index < weights.length; index += 1) {
    const real = spectrum[2 * (firstBin + index)]!;
    const imaginary = spectrum[2 * (firstBin + index) + 1]!;
    power += weights[index]! * (real * real + imaginary * imaginary);
  }
  return power;
}

const toMel = (hertz: number) => 2_595 * Math.log10(1 + hertz / 700);
const toHertz = (mel: number) => 700 * (10 ** (mel / 2_595) - 1);

/**
 * The centre of a mel band.
 *
 * @param band 0 to {@link BANDS} - 1; one below and one above give the outer edges of the scale
 * @returns hertz
 */
export function bandCentre(band: number): number {
  const low = toMel(LOWEST_HERTZ);
  const high = toMel(HIGHEST_HERTZ);
  return toHertz(low + ((high - low) * (band + 1)) / (BANDS + 1));
}

function melBands(): Band[] {
  const hertzPerBin = SAMPLE_RATE / FFT_SAMPLES;
  return Array.from({ length: BANDS }, (_, band) => {
    const [left, centre, right] = [bandCentre(band - 1), bandCentre(band), bandCentre(band + 1)];
    const firstBin = Math.floor(left / hertzPerBin);
    const lastBin = Math.ceil(right / hertzPerBin);
    const weights = Float64Array.from({ length: lastBin - firstBin + 1 }, (_, index) => {
      const hertz = (firstBin + index) * hertzPerBin;
      return Math.max(0, Math.min((hertz - left) / (centre - left), (right - hertz) / (right - centre)));
    });
    return { firstBin, weights: widened(weights) };
  });
}

/**
 * The lowest bands are narrower than a bin and may fall between two: such a band takes its nearest bin whole.
 */
function widened(weights: Float64Array): Float64Array {
  if (weights.some((weight) => weight > 0)) return weights;
  return weights.fill(1, Math.floor(weights.length / 2), Math.floor(weights.length / 2) + 1);
}

/**
 * Measure the mean and standard deviation over all features of a training set.
 *
 * @param features one or more clips' features
 */
export function measureNormalisation(features: Float32Array): Normalisation {
  let sum = 0;
  for (const value of features) sum += value;
  const mean = sum / features.length;
  let squares = 0;
  for (const value of features) squares += (value - mean) ** 2;
  return { mean, deviation: Math.sqrt(squares / features.length) };
}

/**
 * Bring features to the scale the model expects, in place.
 *
 * @param features one or more clips' features
 * @param normalisation constants measured on the base model's training data
 */
export function normaliseFeatures(features: Float32Array, { mean, deviation }: Normalisation): void {
  for (let index = 0; index < features.length; index += 1) {
    features[index] = (features[index]! - mean) / deviation;
  }
}
