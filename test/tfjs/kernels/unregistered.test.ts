import { expect, test } from 'vitest';
import { registerTrainingKernels } from '../../../src/tfjs/kernels/register.js';

// This file must not import the wasm backend: importing is what registers it.
test('registerTrainingKernels() refuses to work without the wasm backend', () => {
  expect(() => registerTrainingKernels()).toThrow('expected the backend "wasm"');
});
