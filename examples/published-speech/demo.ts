// From a published speech model to patched files of it: `npm run demo -- speech`, or with `--json`.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { useBackend } from 'neural-diff/tfjs';
import { type ArrayData, createOnnxTask, fineTune } from 'neural-diff/train';
import { accuracyOf } from '../common/onnx-session.js';
import { fetchPublished } from '../common/published.js';
import { type PublishedRun, type PublishedUpdate, runPublishedDemo, writeCopy } from '../common/published-demo.js';
import { type Clip, recordedWords, spokenWords } from './clips.js';
import {
  type Labelled,
  runWords,
  SPEECH_EMBEDDING,
  toFeatures,
  toFrames,
  TRAINED,
  trainedPart,
  withWords,
} from './model.js';

const HELP = `Takes a published network of speech embeddings with a layer of words, learns an update as diffs of several sizes,
and runs the patched files in ONNX Runtime.

  npm run demo -- speech                       words by synthetic voices
  npm run demo -- speech --data DIR            recordings {label}_{speaker}_{take}.wav of three speakers or more
  npm run demo -- speech --shares 0.1,0.5      other sizes, in percent of the float32 model
  npm run demo -- speech --kind sparse         sparse diffs
  npm run -s demo -- speech --json             one JSON document on stdout
  npm run demo -- speech --keep DIR --seed 2   keep models and payloads; another seed
`;

const BASE_TRAINING = { epochs: 12, learningRate: 2e-3, batchSize: 32 };
const FINE_TUNING = { epochs: 12, learningRate: 2e-3, batchSize: 32 };
const DIFF_TRAINING = { epochs: 24, learningRate: 0.1, batchSize: 32 };

async function prepare({ seed, data, base, screen }: PublishedRun): Promise<PublishedUpdate | undefined> {
  screen.start('fetching the published model');
  const files = await fetchPublished(SPEECH_EMBEDDING);
  if (files === undefined) return undefined;
  await useBackend('wasm');
  screen.start('making spectrograms');
  const set = data === undefined ? spokenWords(seed) : await recordedWords(data, seed);
  const clips: Clip[] = [];
  for await (const clip of set.clips()) {
    clips.push(clip);
    screen.show(`clip ${clips.length} of ${set.count}`);
  }
  const spectrogram = files.get('models/melspectrogram.onnx') as Uint8Array;
  const framesOf = (...parts: Clip['part'][]): Promise<Labelled> =>
    toFrames(spectrogram, clips.filter(({ part }) => parts.includes(part)));
  screen.start('training the base');
  const untrained = withWords(files.get('models/embedding_model.onnx') as Uint8Array, set.labels.length, seed);
  const featuresOf = async (frames: Labelled): Promise<Labelled> => toFeatures(untrained, frames);
  await trainBase(untrained, await featuresOf(await framesOf('base')), { base, seed });
  screen.start('running the layers that stay as they are');
  const learned = await framesOf('base', 'update');
  const test = await framesOf('test');
  const [train, validation] = [await featuresOf(learned), await featuresOf(test)];
  const path = (folder: string): string => join(folder, 'model.onnx');
  return {
    facts: `${learned.count} clips to learn from, ${test.count} to test on by ${set.testSpeakers}; the update adds ${set.adds}`,
    task: await createOnnxTask(trainedPart(await readFile(path(base)), train), { loss: LOSS }),
    only: TRAINED,
    train: toArrays(train),
    test: toArrays(validation),
    fineTuning: FINE_TUNING,
    diffTraining: DIFF_TRAINING,
    measure: async (folder) => accuracyOf(await runWords(path(folder), test), test.labels),
    isFloat: true,
  };
}
