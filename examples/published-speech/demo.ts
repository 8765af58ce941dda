// From a published speech model to patched files of it: `npm run demo -- speech`, or with `--json`.

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { useBackend } from 'neural-diff/tfjs';
import { type ArrayData, createOnnxTask, fineTune } from 'neural-diff/train';
import { CLASSIFIER } from '../common/onnx-edit.js';
import { accuracyOf } from '../common/onnx-session.js';
import { fetchPublished } from '../common/published.js';
import {
  type PublishedRun,
  type PublishedUpdate,
  runPublishedDemo,
  writeCopy,
} from '../common/published-demo.js';
import { type Clip, recordedWords, spokenWords } from './clips.js';
import {
  type Labelled,
  runWords,
  SPEECH_EMBEDDING,
  STARTS,
  TRAINED,
  toFeatures,
  toFrames,
  trainedPart,
  withWords,
} from './model.js';

const ABOUT = `Takes a published network of speech embeddings with a layer of words, learns an update as diffs of
several sizes, and runs the patched files in ONNX Runtime.`;

/** How often each diff sees the clips, and how the full fine-tune and the base are trained. */
const FINE_TUNING = { epochs: 5, learningRate: 2e-3, batchSize: 32 } as const;
const DIFF_TRAINING = { epochs: 12, batchSize: 32 } as const;

/** Trained on the logits of the words. */
const LOSS = { loss: 'categoricalCrossentropy', outputs: [CLASSIFIER.logits], outputKind: 'logits' } as const;

const pathIn = (folder: string): string => join(folder, 'model.onnx');

async function prepare({ seed, data, base, screen }: PublishedRun): Promise<PublishedUpdate | undefined> {
  screen.start('fetching the published model');
  const files = await fetchPublished(SPEECH_EMBEDDING);
  if (files === undefined) return undefined;
  await useBackend('wasm');
  screen.start('listening');
  const set = data === undefined ? spokenWords(seed) : await recordedWords(data, seed);
  const clips: Clip[] = [];
  for await (const clip of set.clips()) {
    clips.push(clip);
    screen.show(`clip ${clips.length} of ${set.count}`);
  }
  screen.start('running the layers that stay as they are');
  const untrained = withWords(
    files.get('models/embedding_model.onnx') as Uint8Array,
    set.labels.length,
    seed,
  );
  const framesOf = (starts: readonly number[], ...parts: Clip['part'][]): Promise<Labelled> => {
    const chosen = clips.filter(({ part }) => parts.includes(part));
    return toFrames(files.get('models/melspectrogram.onnx') as Uint8Array, chosen, starts);
  };
  const featuresOf = async (...parts: Clip['part'][]): Promise<Labelled> =>
    toFeatures(untrained, await framesOf(STARTS.train, ...parts));
  const [first, train] = [await featuresOf('base'), await featuresOf('base', 'update')];
  const test = await framesOf(STARTS.test, 'test');
  screen.start('training the base');
  await trainBase(untrained, toArrays(first, set.labels.length), { base, seed });
  return {
    facts: `${clips.length - test.count} clips to learn from, ${test.count} to test on by ${set.testSpeakers}; the update adds ${set.adds}`,
    task: await createOnnxTask(trainedPart(await readFile(pathIn(base)), train.shape), LOSS),
    only: TRAINED,
    train: toArrays(train, set.labels.length),
    fineTuning: FINE_TUNING,
    diffTraining: DIFF_TRAINING,
    measure: async (folder) => accuracyOf(await runWords(pathIn(folder), test), test.labels),
    isFloat: true,
  };
}

/** Makes what devices have: the published network, trained with its new layer on the words of the base. */
async function trainBase(
  untrained: Uint8Array,
  train: ArrayData,
  { base, seed }: Pick<PublishedRun, 'base' | 'seed'>,
): Promise<void> {
  const folder = `${base}-untrained`;
  await mkdir(folder, { recursive: true });
  await writeFile(pathIn(folder), untrained);
  const [, ...shape] = (train.xs as tf.Tensor).shape;
  const task = await createOnnxTask(trainedPart(untrained, shape), LOSS);
  const { weights } = await fineTune({ task, only: TRAINED, train, seed, ...FINE_TUNING });
  task.dispose?.();
  await writeCopy(folder, base, weights);
  await rm(folder, { recursive: true });
}

function toArrays({ values, shape, count, labels }: Labelled, classes: number): ArrayData {
  const ys = tf.tidy(() => tf.oneHot(tf.tensor1d(labels, 'int32'), classes).toFloat());
  return { xs: tf.tensor(values, [count, ...shape]), ys };
}

await runPublishedDemo({
  name: 'speech',
  about: ABOUT,
  data: 'recordings {label}_{speaker}_{take}.wav of three speakers or more',
  kind: 'hash',
  shares: [0.2, 0.5, 1],
  prepare,
});
