// From a published GraphModel to patched copies of it: `npm run demo -- pictures`, or with `--json`.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { openMemoryFiles } from 'neural-diff';
import { openFolder } from 'neural-diff/node';
import { loadGraphModel, useBackend } from 'neural-diff/tfjs';
import { type ArrayData, createTask } from 'neural-diff/train';
import { type PublishedRun, type PublishedUpdate, runPublishedDemo } from '../common/published-demo.js';
import { CLASSES, labelsOf, type PictureSet } from '../fine-tune-any-model/pictures.js';
import { LOGITS, measureAccuracy, TRAINED, toFeatures, trainedPart, unpackModel } from './model.js';

const ABOUT = `Takes a published image classifier, a GraphModel, learns an update of it as diffs of several sizes,
and runs the patched copies in TensorFlow.js.`;

/** Pictures of the update; those of the test are never learned from. */
const PICTURES = { train: 240, test: 1_000 } as const;

async function prepare({ seed, base, screen }: PublishedRun): Promise<PublishedUpdate> {
  await useBackend('wasm');
  screen.start('unpacking the published model');
  const files = await unpackModel();
  await mkdir(base, { recursive: true });
  for (const [path, bytes] of files) await writeFile(join(base, path), bytes);
  const model = await loadGraphModel(openMemoryFiles(files));
  const train: PictureSet = { seed, first: 0, count: PICTURES.train };
  const test: PictureSet = { seed, first: PICTURES.train, count: PICTURES.test };
  screen.start('running the layers that stay as they are');
  const featuresOf = (set: PictureSet): Promise<tf.Tensor> =>
    toFeatures(model, set, (done) => screen.show(`picture ${done} of ${set.count}`));
  const dataOf = async (set: PictureSet): Promise<ArrayData & { xs: tf.Tensor }> => ({
    xs: await featuresOf(set),
    ys: tf.tidy(() => tf.oneHot(tf.tensor1d(labelsOf(set), 'int32'), CLASSES.length).toFloat()),
  });
  const [learned, tested] = [await dataOf(train), await dataOf(test)];
  model.dispose();
  const part = await loadGraphModel(openMemoryFiles(trainedPart(files)));
  return {
    facts: `${PICTURES.train} pictures to learn from, ${PICTURES.test} others to test on`,
    task: createTask(part, { loss: 'categoricalCrossentropy', outputs: [LOGITS], outputKind: 'logits' }),
    only: TRAINED,
    train: learned,
    test: tested,
    fineTuning: { epochs: 6, learningRate: 2e-3, batchSize: 16 },
    diffTraining: { epochs: 8, batchSize: 16 },
    measure: (folder) => measureFolder(folder, tested.xs, test),
    isFloat: false,
  };
}

async function measureFolder(folder: string, features: tf.Tensor, set: PictureSet): Promise<number> {
  const files = await openFolder(folder);
  const model = await loadGraphModel(files).finally(() => files.close());
  const accuracy = measureAccuracy(model, features, set);
  model.dispose();
  return accuracy;
}

await runPublishedDemo({
  name: 'pictures',
  about: ABOUT,
  kind: 'hash',
  shares: [0.02, 0.05, 0.1, 0.2, 0.5, 1],
  prepare,
});
