import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type * as tf from '@tensorflow/tfjs';
import { NeuralDiffError } from '../model/errors.js';
import { LAYERS_FILE } from '../model/layers-store.js';
import { withFileErrors } from '../node/file-errors.js';
import { checkOutput, listFolder, writeFolder, writeInto } from '../node/output.js';
import { importWithTensorFlow } from './import-training.js';

/** Names of the shards that are written. */
const SHARD = /^group\d+-shard\d+of\d+\.bin$/;

/**
 * Writes a LayersModel to a folder in Node.js, as `model.json` and shards. The folder is created completely
 * or not at all; missing folders above it are created first.
 *
 * @param model any LayersModel; described here so that projects without TensorFlow.js can use these types
 * @param folder path of the folder
 * @param options `force` replaces a model that is there; a folder with other files is never replaced
 * @throws NeuralDiffError `output-exists`, `no-space`, `file-not-found`, `file-unreadable`
 *
 * @example
 * const layer = tf.layers.dense({ inputShape: [4], units: 2 });
 * await saveModel(tf.sequential({ layers: [layer] }), 'models/saved');
 */
export async function saveModel(
  model: {
    readonly layers: readonly object[];
    save(handler: never, config?: never): Promise<unknown>;
  },
  folder: string,
  options: { readonly force?: boolean } = {},
): Promise<void> {
  const to = resolve(folder);
  await withFileErrors(`Cannot make "${dirname(to)}"`, () => mkdir(dirname(to), { recursive: true }));
  await checkReplaced(to, options);
  const { modelFiles } = await importWithTensorFlow(() => import('../tfjs/layers-files.js'));
  const files = await modelFiles(model as tf.LayersModel);
  await writeFolder({ from: dirname(to), files: [], to, ...options }, async (staged) => {
    for (const [name, bytes] of files) await writeInto(staged, name, bytes);
  });
}

/** Checks that nothing would be lost but a model of the same kind. */
async function checkReplaced(to: string, options: { readonly force?: boolean }): Promise<void> {
  await checkOutput(to, options);
  const other = [...(await listFolder(to))].find((name) => name !== LAYERS_FILE && !SHARD.test(name));
  if (other === undefined) return;
  throw new NeuralDiffError(
    'output-exists',
    `Cannot write "${to}": it contains "${other}", which would be lost; name another folder`,
  );
}
