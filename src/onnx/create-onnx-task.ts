import { NeuralDiffError } from '../model/errors.js';
import { type ModelFiles, openMemoryFiles } from '../model/model-files.js';
import { createNetworkTask, type NetworkTaskOptions } from '../train/network.js';
import type { Task } from '../train/task.js';
import { openOnnxNetwork } from './network.js';

/** A model in a folder: for files that keep their weights in others. */
export interface OnnxFile {
  readonly files: ModelFiles;
  /** The file's path in the folder. */
  readonly file: string;
}

/**
 * Creates a task from an ONNX model. It runs on TensorFlow.js; a payload that is trained with it patches the
 * file.
 *
 * @param model the file's bytes, or a folder and the file in it
 * @param options the loss, and the values to train on: the logits before a softmax are a good choice
 * @returns the task; `dispose` frees its variables
 * @throws NeuralDiffError `unsupported-model` for operators that these values need and that are not
 *   supported, and where no weights can be trained; `bad-model`; TypeError, RangeError for options that do
 *   not fit
 */
export async function createOnnxTask(
  model: Uint8Array | OnnxFile,
  options: NetworkTaskOptions,
): Promise<Task> {
  const { files, file } =
    model instanceof Uint8Array
      ? { files: openMemoryFiles(new Map([['model.onnx', model]])), file: 'model.onnx' }
      : model;
  const network = await openOnnxNetwork(files, file, options.outputs);
  try {
    const task = createNetworkTask(network, options);
    if (task.weights.length > 0) return task;
    const message = `Cannot train "${file}": expected float weights, or int8 ones with a scale, that a gradient reaches, got none`;
    throw new NeuralDiffError('unsupported-model', message);
  } catch (error) {
    network.dispose();
    throw error;
  }
}
