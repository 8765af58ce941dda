import * as tf from '@tensorflow/tfjs';
import { registerGradients } from './kernels/gradients/register.js';
import { registerTrainingKernels } from './kernels/register.js';
import { guardAllocations } from './memory.js';
import '@tensorflow/tfjs-backend-wasm';

/**
 * Activates a TensorFlow.js backend, and registers gradients that TensorFlow.js lacks, such as those of
 * dilated convolutions. On `wasm` it also registers training kernels: the gradients that the backend lacks,
 * and faster implementations of convolutions, recurrent layers, batch norms and Adam.
 *
 * @param name `wasm` (fast), `cpu` (plain JavaScript), `webgl` in browsers, or `webgpu` if the program
 *   imports `@tensorflow/tfjs-backend-webgpu`; `docs/KERNELS.md` tells what differs there
 * @throws Error if the backend does not start
 */
export async function useBackend(name: 'wasm' | 'cpu' | 'webgl' | 'webgpu'): Promise<void> {
  if (!(await tf.setBackend(name))) throw new Error(`Cannot start the TensorFlow.js backend "${name}"`);
  await tf.ready();
  registerGradients();
  if (name !== 'wasm') return;
  registerTrainingKernels();
  guardAllocations();
}
