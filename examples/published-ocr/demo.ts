// From a published reader of printed words to patched files of it: `npm run demo -- ocr`, or with `--json`.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { useBackend } from 'neural-diff/tfjs';
import { createOnnxTask } from 'neural-diff/train';
import { fetchPublished } from '../common/published.js';
import { type PublishedRun, type PublishedUpdate, runPublishedDemo } from '../common/published-demo.js';
import { ctcLoss } from './ctc.js';
import { readFont } from './font.js';
import { type Lines, printWords } from './lines.js';
import {
  BLACKLETTER,
  CLASS_WEIGHTS,
  LOGITS,
  RECOGNISER,
  readAlphabet,
  readWords,
  toFeatures,
  trainedPart,
} from './model.js';

const ABOUT = `Takes the published text recogniser PP-OCRv4, learns to read blackletter as diffs of several sizes,
and runs the patched files in ONNX Runtime.`;

/** Printed words; those of the test are others. */
const WORDS = { train: 960, test: 1_000 } as const;

const pathIn = (folder: string): string => join(folder, 'model.onnx');

async function prepare({ seed, base, screen }: PublishedRun): Promise<PublishedUpdate | undefined> {
  screen.start('fetching the published model and a font');
  const [files, fonts] = [await fetchPublished(RECOGNISER), await fetchPublished(BLACKLETTER)];
  const [model, list] = [...(files?.values() ?? [])];
  const [file] = [...(fonts?.values() ?? [])];
  if (!(model && list && file)) return undefined;
  await useBackend('wasm');
  await mkdir(base, { recursive: true });
  await writeFile(pathIn(base), model);
  screen.start('printing words, running the layers that stay as they are');
  const alphabet = readAlphabet(list);
  const font = readFont(file);
  const train = printWords(font, { seed, name: 'train', count: WORDS.train });
  const known = new Set(train.words.map((word) => word.toLowerCase()));
  const test = printWords(font, {
    seed,
    name: 'test',
    count: WORDS.test,
    isLeftOut: (word) => known.has(word.toLowerCase()),
  });
  const dataOf = async (lines: Lines) => {
    const { values, shape, count } = await toFeatures(model, lines);
    const xs = tf.tensor(values, [count, ...shape]);
    return { xs, ys: tf.tensor2d(lines.words.map(alphabet.write), undefined, 'int32') };
  };
  const learned = await dataOf(train);
  const [, ...shape] = learned.xs.shape;
  const options = { loss: ctcLoss, outputs: [LOGITS], outputKind: 'logits' } as const;
  return {
    facts: `${WORDS.train} words to learn from, ${WORDS.test} others to test on; the update adds blackletter`,
    task: await createOnnxTask(trainedPart(model, shape), options),
    freeze: CLASS_WEIGHTS,
    train: learned,
    fineTuning: { epochs: 8, learningRate: 1e-3, batchSize: 16 },
    // Small batches: what a diff needs is steps.
    diffTraining: { epochs: 6, batchSize: 4 },
    measure: async (folder) => {
      const words = await readWords(pathIn(folder), test, alphabet);
      return words.filter((word, i) => word === test.words[i]).length / WORDS.test;
    },
    isFloat: true,
  };
}

await runPublishedDemo({ name: 'ocr', about: ABOUT, kind: 'sparse', shares: [0.2, 0.5, 1], prepare });
