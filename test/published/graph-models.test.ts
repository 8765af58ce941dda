import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { fetchPublished } from '../../examples/common/published.js';
import { unpackModel } from '../../examples/published-pictures/model.js';
import { openFolder } from '../../src/node/folder.js';
import { useBackend } from '../../src/tfjs/backend.js';
import { loadGraphModel } from '../../src/tfjs/layers-files.js';
import { createTask } from '../../src/train/create-task.js';
import type { Task } from '../../src/train/task.js';
import { randomTensor } from '../onnx/graphs.js';
import { errorOf } from '../support.js';
import { HUMAN_MODELS } from './models.js';
import { checkPublished } from './train-and-patch.js';

const published = await fetchPublished(HUMAN_MODELS);

/** @returns the path of a temporary folder with some files */
async function folderOf(files: ReadonlyMap<string, Uint8Array>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'neural-diff-published-'));
  for (const [path, bytes] of files) await writeFile(join(folder, path), bytes);
  return folder;
}

/** @returns the files of one of the package's models, with the name that folders have for the first */
function filesOf(name: string): Map<string, Uint8Array> {
  const bytes = (file: string) => published!.get(`models/${file}`) as Uint8Array;
  return new Map([
    ['model.json', bytes(`${name}.json`)],
    [`${name}.bin`, bytes(`${name}.bin`)],
  ]);
}

async function open(folder: string): Promise<Task> {
  const files = await openFolder(folder);
  const model = await loadGraphModel(files);
  await files.close();
  const task = createTask(model, { loss: 'meanSquaredError' });
  return { ...task, dispose: () => model.dispose() };
}

/** Runs a model in a thread with TensorFlow.js as it is. */
function runStock(folder: string, { inputNames, outputNames }: Task, xs: readonly tf.Tensor[]) {
  const inputs = inputNames.map((name, i) => {
    const { shape, dtype } = xs[i] as tf.Tensor;
    return { name, shape, dtype, values: xs[i]?.dataSync() };
  });
  const workerData = { folder, inputs, names: [...outputNames] };
  const worker = new Worker(new URL('./stock-tfjs.mjs', import.meta.url), { workerData });
  return new Promise<Float32Array[]>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

async function checkFiles(files: ReadonlyMap<string, Uint8Array>, shape: readonly number[]): Promise<void> {
  const folder = await folderOf(files);
  const xs = [randomTensor(shape, 1)];
  await checkPublished({ folder, open, run: (at, task) => runStock(at, task, xs), xs });
  tf.dispose(xs);
  await rm(folder, { recursive: true });
}

beforeAll(() => useBackend('wasm'));

describe(HUMAN_MODELS.package, () => {
  test.skipIf(!published).each([
    ['gear', [1, 198, 198, 3]],
    ['emotion', [2, 64, 64, 1]],
    ['antispoof', [1, 128, 128, 3]],
    ['iris', [2, 64, 64, 3]],
  ])('%s trains, and is patched as measured', async (name, shape) => checkFiles(filesOf(name), shape));

  test.skipIf(!published)('faceboxes is refused, as its outputs are chosen in a loop', async () => {
    const folder = await folderOf(filesOf('faceboxes'));
    const error = await errorOf(() => open(folder));
    expect(error).toMatchObject({
      code: 'unsupported-model',
      message: expect.stringMatching(/^Cannot train for \[scores,boxes,num_boxes\]: .*LoopCond \("nms/),
    });
    await rm(folder, { recursive: true });
  });

  test.skipIf(!published)(
    'facemesh-attention is refused, as it multiplies matrices of integers',
    async () => {
      const folder = await folderOf(filesOf('facemesh-attention'));
      const task = await open(folder);
      const error = await errorOf(async () => task.checkGradients?.([randomTensor([1, 192, 192, 3], 1)]));
      expect(error).toMatchObject({
        code: 'unsupported-model',
        message: expect.stringContaining('BatchMatMul'),
      });
      task.dispose?.();
      await rm(folder, { recursive: true });
    },
  );
});

test('nsfwjs, a MobileNet in 8-bit integers, trains, and is patched as measured', async () => {
  await checkFiles(await unpackModel(), [1, 224, 224, 3]);
});
