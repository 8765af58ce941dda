import { NeuralDiffError } from '../model/errors.js';
import { openOnnxNetwork } from '../onnx/network.js';
import type { Network } from '../train/network.js';
import type { OpenBase } from './open-base.js';

/**
 * Loads the network of a GraphModel or an ONNX file.
 *
 * @returns the network; dispose of it
 * @throws NeuralDiffError `unsupported-model`, `bad-model`
 */
export async function loadNetwork({ kind, files, file }: Omit<OpenBase, 'store'>): Promise<Network> {
  if (kind === 'onnx') return openOnnxNetwork(files, file);
  throw new NeuralDiffError('unsupported-model', `Cannot run a model of kind ${kind}`);
}
