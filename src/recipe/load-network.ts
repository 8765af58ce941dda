import { openOnnxNetwork } from '../onnx/network.js';
import { loadGraphModel } from '../tfjs/layers-files.js';
import { openGraphNetwork } from '../train/graph-network.js';
import type { Network } from '../train/network.js';
import type { OpenBase } from './open-base.js';

/**
 * Loads the network of a GraphModel or an ONNX file.
 *
 * @param outputs names of the values to train; by default the model's outputs
 * @returns the network; dispose of it
 * @throws NeuralDiffError `unsupported-model`, `bad-model`
 */
export async function loadNetwork(
  { kind, files, file }: Omit<OpenBase, 'store'>,
  outputs?: readonly string[],
): Promise<Network> {
  if (kind === 'onnx') return openOnnxNetwork(files, file, outputs);
  return openGraphNetwork(await loadGraphModel(files, file), outputs);
}
