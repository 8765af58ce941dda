import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, test } from 'vitest';
import { fetchPublished, type PublishedModel } from '../../examples/common/published.js';
import { SPEECH_EMBEDDING } from '../../examples/published-speech/model.js';
import { createOnnxTask } from '../../src/onnx/create-onnx-task.js';
import { useBackend } from '../../src/tfjs/backend.js';
import type { Task } from '../../src/train/task.js';
import { runOnnx, runtimeInputs } from '../onnx/compare.js';
import { randomTensor } from '../onnx/graphs.js';
import { seededFloats } from '../support.js';
import { READERS, SPEECH_DETECTORS } from './models.js';
import { checkPublished } from './train-and-patch.js';

/** A file of a package, inputs for it, and the outputs to train. */
interface Case {
  readonly file: string;
  readonly inputs: () => tf.Tensor[];
  readonly outputs?: readonly string[];
}

/** Two pictures with a line of black bars on white, which look like words. */
function words(height: number, width: number): tf.Tensor[] {
  const bars = seededFloats(1, height * width);
  const values = Float32Array.from({ length: 2 * 3 * height * width }, (_, i) => {
    const [row, column] = [Math.floor(i / width) % height, i % width];
    const isLine = row > height / 4 && row < height / 2 && column > 8 && column < width - 8;
    const bar = bars[Math.floor(row / 4) * width + Math.floor(column / 3)] as number;
    return isLine && bar > 0 ? -2 : 2;
  });
  return [tf.tensor(values, [2, 3, height, width])];
}

/** A piece of sound for each of two speakers, states of the network, and the sampling rate. */
const sound = (...states: number[][]) => [
  tf.mul(randomTensor([2, 512], 1), 0.1),
  ...states.map((shape, i) => randomTensor(shape, i + 2)),
];
const rate = () => tf.scalar(16_000, 'int32');

const PACKAGES: readonly (readonly [PublishedModel, readonly Case[]])[] = [
  [
    SPEECH_EMBEDDING,
    [
      { file: 'models/embedding_model.onnx', inputs: () => [randomTensor([2, 76, 32, 1], 1)] },
      { file: 'models/melspectrogram.onnx', inputs: () => [tf.mul(randomTensor([2, 4_000], 1), 3e4)] },
    ],
  ],
  [
    SPEECH_DETECTORS,
    [
      {
        file: 'dist/silero_vad_legacy.onnx',
        inputs: () => {
          const [input, ...states] = sound([2, 2, 64], [2, 2, 64]);
          return [input as tf.Tensor, rate(), ...states];
        },
        outputs: ['output'],
      },
      {
        file: 'dist/silero_vad_v5.onnx',
        inputs: () => [...sound([2, 2, 128]), rate()],
        outputs: ['output'],
      },
    ],
  ],
  [
    READERS,
    [
      { file: 'assets/ch_PP-OCRv4_det_infer.onnx', inputs: () => words(64, 64) },
      { file: 'assets/ch_PP-OCRv4_rec_infer.onnx', inputs: () => words(48, 64) },
      { file: 'assets/ch_ppocr_mobile_v2.0_cls_infer.onnx', inputs: () => words(48, 96) },
    ],
  ],
];

const MODEL = 'model.onnx';

async function runFile(folder: string, task: Task, xs: readonly tf.Tensor[]): Promise<Float32Array[]> {
  const found = await runOnnx!(join(folder, MODEL), runtimeInputs(task, xs));
  return task.outputNames.map((name) => new Float32Array((found[name] as Uint8Array).slice().buffer));
}

beforeAll(() => useBackend('wasm'));

describe.each(PACKAGES)('$package', async (published, cases) => {
  const files = runOnnx && (await fetchPublished(published));

  test.skipIf(!files).each(cases)(
    '$file trains, and is patched as measured',
    async ({ file, inputs, outputs }) => {
      const folder = await mkdtemp(join(tmpdir(), 'neural-diff-published-'));
      await writeFile(join(folder, MODEL), files!.get(file) as Uint8Array);
      const xs = inputs();
      const open = async (at: string) =>
        createOnnxTask(await readFile(join(at, MODEL)), { loss: 'meanSquaredError', outputs });
      await checkPublished({ folder, open, run: (at, task) => runFile(at, task, xs), xs });
      tf.dispose(xs);
      await rm(folder, { recursive: true });
    },
  );
});
